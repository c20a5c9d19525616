"""Asks an API without a network, over HTTP all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

Params = dict[str, Any]


@dataclass(frozen=True)
class Asker:
    app: FastAPI
    key: str = ""

    def get(self, path: str, params: Params | None = None, **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            sent = {"authorization": f"Bearer {self.key}"} if self.key else {}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.get(path, params=params, headers={**sent, **headers})

        return asyncio.run(send())

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """The rows of one page."""
        answer = self.get(path, params)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def pages(self, path: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
        """Page after page, as the link in the header says."""
        link: str | None = path
        while link:
            answer = self.get(link, params or None)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            yield body["rows"]
            following = answer.links.get("next")
            assert (body["next"] is None) == (following is None)
            link, params = following["url"] if following else None, {}
