"""SQL files of the package, loaded by name."""

from functools import cache
from importlib.resources import files

_QUERIES = files("spanledger_storage") / "sql" / "queries"


@cache
def load(name: str) -> str:
    """Return the text of ``sql/queries/<name>.sql``.

    Raises:
        FileNotFoundError: no statement has that name.
    """
    return (_QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Return the names of all statements, sorted."""
    return sorted(p.name[:-4] for p in _QUERIES.iterdir() if p.name.endswith(".sql"))
