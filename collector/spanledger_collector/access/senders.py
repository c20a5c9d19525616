"""Who sends: from the headers of a request to its project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from spanledger_collector.access.credentials import presented_keys
from spanledger_collector.access.keys import KeyRing
from spanledger_storage.api_keys import PREFIX, Scope
from spanledger_storage.project_settings import Project


class Access(Protocol):
    """Decides for which project a request is taken."""

    def ingest(self, headers: Mapping[str, str]) -> Project:
        """Return the project that the sender may write to.

        Args:
            headers: of HTTP, or the metadata of gRPC; names in lower case.

        Raises:
            Unauthenticated: no key, or none that is known.
            PermissionDenied: a key that may not send.
        """
        ...

    def read(self, headers: Mapping[str, str]) -> None:
        """Return if the sender may see the collector's own figures; raises like ``ingest``."""
        ...


class KeyAccess:
    """Takes what comes with a key, for the key's project."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def ingest(self, headers: Mapping[str, str]) -> Project:
        """Return the project of the key, which must have the scope ingest."""
        return self._ring.authenticate(headers).require(Scope.INGEST)

    def read(self, headers: Mapping[str, str]) -> None:
        """Let keys with the scope admin: the figures name every project."""
        self._ring.authenticate(headers).require(Scope.ADMIN)


class OpenAccess:
    """Takes everything for one project, from whomever it comes: for loopback only.

    A credential in the form of our keys is held to what the key may do, so that agents can be given
    keys before they are demanded. Any other credential is nobody's business here.
    """

    def __init__(self, project: Project, ring: KeyRing | None = None) -> None:
        """Args: the project of requests without a key; the keys, if there is a state database."""
        self._project = project
        self._ring = ring
        self._keys = KeyAccess(ring) if ring else None

    def ingest(self, headers: Mapping[str, str]) -> Project:
        """Return the project of the key, if there is one, else the one of all."""
        if self._keys and has_own_key(headers):
            return self._keys.ingest(headers)
        return self._ring.project(self._project) if self._ring else self._project

    def read(self, headers: Mapping[str, str]) -> None:
        """Let everybody, but with a key only those with the scope admin."""
        if self._keys and has_own_key(headers):
            self._keys.read(headers)


def has_own_key(headers: Mapping[str, str]) -> bool:
    """Return whether a request brings a credential in the form of our keys."""
    if "authorization" not in headers and "x-api-key" not in headers:
        return False
    return any(text.startswith(PREFIX) for text in presented_keys(headers))
