"""State databases for tests: one is migrated, the others are copies of its file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_storage import state


def use_template(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let ``migrate_state`` find empty SQLite files to be at the newest revision already.

    The template in ``folder`` is migrated as an installation is, when the first one is needed:
    that takes a sixth of a second, a copy takes a thousandth. Files with anything in them, and
    PostgreSQL, are migrated as ever.
    """
    template = folder / "template.db"
    revision = state._revision

    def revision_of_copy(engine: sa.Engine) -> str | None:
        file = Path(engine.url.database or "")
        if engine.dialect.name == "sqlite" and file.is_file() and file.stat().st_size == 0:
            if file == template:
                return revision(engine)
            if not template.exists():
                migrated = state.open_state(f"sqlite:///{template}")
                state.migrate_state(migrated)
                migrated.dispose()  # the last connection brings the log into the file
            shutil.copyfile(template, file)
        return revision(engine)

    patch.setattr(state, "_revision", revision_of_copy)
