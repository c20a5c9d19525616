"""Who sends: from the headers of a request to its project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

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
            Unavailable: the keys cannot be looked up now.
        """
        ...

    def read(self, headers: Mapping[str, str]) -> None:
        """Return if the sender may see the collector's own figures; raises like ``ingest``."""
        ...


class OpenAccess:
    """Takes everything for one project, from whomever it comes: for loopback only."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def ingest(self, headers: Mapping[str, str]) -> Project:
        """Return the one project."""
        return self._project

    def read(self, headers: Mapping[str, str]) -> None:
        """Let everybody."""
