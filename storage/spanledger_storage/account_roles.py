"""What an account of the dashboard may do. Imports nothing heavy: the command line needs it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody may do; each includes the ones before.

    VIEWER: look. EDITOR: save views and golden trajectories. ADMIN: everything, in every project.
    """

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Return whether this role may do what ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
