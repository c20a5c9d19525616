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


@cache
def bare(name: str) -> str:
    """Return the same without the lines that are comments: what the driver has to look through.

    Raises:
        FileNotFoundError: no statement has that name.
    """
    lines = load(name).splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))


def names() -> list[str]:
    """Return the names of all statements, sorted."""
    return sorted(p.name[:-4] for p in _QUERIES.iterdir() if p.name.endswith(".sql"))
