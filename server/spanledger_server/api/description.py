"""The page for people about the API: written here, so that a browser loads nothing from elsewhere.

FastAPI's own page runs scripts of a content network on the API's origin, and is empty without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 0; font-size: 1.1rem; }
h3 { margin: 1.5rem 0 0; font-size: 1rem; }
p { margin: .3rem 0; }
ul { padding: 0; list-style: none; columns: 2 24rem; }
table { border-collapse: collapse; width: 100%; }
td:first-child { width: 12rem; }
td:nth-child(2) { width: 16rem; }
td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
"""
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def description_page(app: FastAPI, openapi_path: str) -> Callable[[], HTMLResponse]:
    """Return what answers with every path, its parameters, and the shapes of what it answers."""

    def answer() -> HTMLResponse:
        said = app.openapi()
        found = [
            (f"{method.upper()} {path}", one)
            for path, methods in said["paths"].items()
            for method, one in methods.items()
        ]
        contents = "".join(f"<li>{_link(title)}</li>" for title, _ in found)
        operations = "".join(_operation(title, one) for title, one in found)
        shapes = (_shape(name, one) for name, one in said["components"]["schemas"].items())
        about = f'<p>{escape(said["info"]["summary"])} For programs: <a href="{openapi_path}">'
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Spanledger API</title>'
            '<meta name="viewport" content="width=device-width">'
            f"<style>{_STYLE}</style><h1>Spanledger API {escape(said['info']['version'])}</h1>"
            f"{about}{openapi_path}</a>.</p><ul>{contents}</ul>{operations}"
            f"<h2>Shapes</h2>{''.join(shapes)}</html>",
            headers=_HEADERS,
        )

    return answer


def _operation(title: str, said: dict[str, Any]) -> str:
    body = said.get("requestBody", {}).get("content", {}).get("application/json")
    answers = [code for code in said["responses"] if code.startswith("2")]
    content = said["responses"][answers[0]].get("content", {}) if answers else {}
    told = content.get("application/json")
    parts = [
        f'<h2 id="{_anchor(title)}"><code>{escape(title)}</code></h2>',
        f"<p>{_text(said.get('description') or said.get('summary', ''))}</p>",
        _fields({one["name"]: one["schema"] for one in said.get("parameters", ())}),
        f"<p>Takes {_kind(body['schema'])}.</p>" if body else "",
        f"<p>Answers {_kind(told['schema'])}.</p>" if told else "",
    ]
    return "".join(parts)


def _shape(name: str, said: dict[str, Any]) -> str:
    fields = _fields(said.get("properties", {})) or f"<p>{_kind(said)}</p>"
    text = _text(said.get("description", ""))
    return f'<h3 id="{_anchor(name)}"><code>{escape(name)}</code></h3><p>{text}</p>{fields}'


def _fields(fields: dict[str, dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_kind(said)}</td>"
        f"<td>{_text(said.get('description', ''))}{_default(said)}</td></tr>"
        for name, said in fields.items()
    )
    return f"<table>{rows}</table>" if rows else ""


def _link(title: str) -> str:
    """Return a link to what stands further below."""
    return f'<a href="#{_anchor(title)}">{escape(title)}</a>'


def _anchor(title: str) -> str:
    return escape(title.replace(" ", "-"))  # ids have no spaces


def _text(said: str) -> str:
    """Return a sentence, with what stands between backticks as code."""
    return re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", escape(said))


def _default(said: dict[str, Any]) -> str:
    value = said.get("default")
    return f" <code>{escape(str(value))}</code> by default." if value not in (None, "", []) else ""


def _kind(said: dict[str, Any]) -> str:
    """Return what a value is, with links to the shapes it is made of."""
    if reference := said.get("$ref"):
        return _link(reference.rpartition("/")[2])
    for key in ("anyOf", "allOf", "oneOf"):
        if key in said:
            return " or ".join(_kind(one) for one in said[key])
    if "enum" in said:
        return ", ".join(escape(str(one)) or "nothing" for one in said["enum"])
    if said.get("type") == "array":
        return f"list of {_kind(said.get('items', {}))}"
    return escape(str(said.get("format") or said.get("const") or said.get("type", "any")))
