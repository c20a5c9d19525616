"""What the documentation names exists, and what exists is named."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
import typer
from sqlalchemy import Connection

from spanledger import __version__
from spanledger_server.cli import _variables, app
from spanledger_server.environment import OTHER_VARIABLES
from spanledger_storage.migrations import all_migrations
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.postgres import postgres_server

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
LEDGER = (ROOT / "docs" / "ledger.md").read_text()
PRICES = (ROOT / "docs" / "prices.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]
_COMMANDS = getattr(typer.main.get_command(app), "commands", {})


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


def _options_of(words: list[str]) -> set[str]:
    """The options of the command that words begin with; a group's name may come first."""
    commands = _COMMANDS
    for word in words:
        command = commands[word]
        commands = getattr(command, "commands", None)
        if not commands:
            return {option for p in command.params for option in p.opts}
    return set()


def test_commands_in_the_documents_exist_with_their_options() -> None:
    lines = re.findall(r"`spanledger ([^`]+)`", README + ARCHITECTURE + PRICES + LEDGER)
    lines += re.findall(r"^    spanledger (.+?)(?:  +#.*)?$", PRICES.replace("\\\n", ""), re.M)
    assert len(lines) > 25
    for line in lines:
        words = line.split()
        options = {word for word in words if word.startswith("--")}
        assert options <= _options_of(words), line


def test_ports_in_the_readme_are_the_defaults() -> None:
    defaults = {o: p.default for p in _COMMANDS["up"].params for o in p.opts}
    for port, option in re.findall(r"\| (\d+) \|.*\| `(--[a-z-]+)` \|", README):
        assert defaults[option] == int(port)


def test_every_setting_is_told_of_and_what_is_told_of_is_one() -> None:
    told = {
        name.removesuffix("_FILE")
        for document in DOCUMENTS
        if document.name not in ("benchmarks.md", "CHANGELOG.md")
        for name in re.findall(r"\bSPANLEDGER_[A-Z_]+\b", document.read_text())
    }
    # Of options `--help` tells.
    assert OTHER_VARIABLES - told == set()
    theirs = {"SPANLEDGER_API_EXAMPLES", "SPANLEDGER_KEY"}  # of our tests; a secret of GitHub's
    assert told - theirs - OTHER_VARIABLES - _variables() == set()


def test_every_user_command_is_in_the_readme() -> None:
    named = set(re.findall(r"`spanledger ([\w-]+)", README + ARCHITECTURE))
    assert set(_COMMANDS) == named


def test_every_table_is_in_the_architecture() -> None:
    made = {
        match[1]
        for m in all_migrations()
        if (match := re.search(r"CREATE (?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)", m.sql))
    }
    assert {name for name in made if f"`{name}`" not in ARCHITECTURE} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_linked_and_named_files_exist(document: Path) -> None:
    text = document.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (document.parent / target).exists(), target
    folders = "sdk|storage|collector|analytics|alerts|dashboard|server|tests|docs|benchmarks"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        if "NNNN" not in path and "NAME" not in path:
            assert (ROOT / path).exists(), path


def test_statements_in_the_documents_can_be_run(store: Store) -> None:
    texts = [path.read_text() for path in DOCUMENTS]
    found = [sql for t in texts for sql in re.findall(r"^```sql\n(.+?)^```", t, re.M | re.S)]
    found += [sql for t in texts for sql in re.findall(r'spanledger sql "(SELECT [^"…]+)"', t)]
    assert len(found) > 1
    for sql in found:
        store.sql_rows(sql)


def test_a_role_of_another_name_is_granted_what_the_reader_is() -> None:
    block = (ROOT / "docs" / "operations.md").read_text().partition("    GRANT SELECT")[2]
    granted = "GRANT SELECT" + block.partition("\n\n")[0]
    with postgres_server() as url:
        engine = open_state(url)
        with engine.begin() as connection:
            for role in ("reader", "dashboard"):
                connection.exec_driver_sql(f"CREATE ROLE {role}")
            connection.exec_driver_sql("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader")
        migrate_state(engine)
        with engine.begin() as connection:
            connection.exec_driver_sql(granted)
            told = {role: _grants(connection, role) for role in ("reader", "dashboard")}
        engine.dispose()
    assert ("budgets", "", "DELETE") in told["reader"]
    assert told["dashboard"] == told["reader"]


def _grants(connection: Connection, role: str) -> set[tuple[str, str, str]]:
    found = connection.exec_driver_sql(
        "SELECT table_name::text, '', privilege_type::text"
        " FROM information_schema.role_table_grants WHERE grantee = %(role)s UNION"
        " SELECT table_name, column_name, privilege_type"
        " FROM information_schema.role_column_grants WHERE grantee = %(role)s UNION"
        " SELECT object_name, '', privilege_type FROM information_schema.role_usage_grants"
        " WHERE grantee = %(role)s",
        {"role": role},
    )
    return {(str(name), str(column), str(right)) for name, column, right in found}


def test_functions_named_in_the_architecture_exist() -> None:
    sources: defaultdict[str, str] = defaultdict(str)  # a name may stand in several folders
    for path in ROOT.glob("*/spanledger_*/**/*.py"):
        sources[path.name] += path.read_text()
    for file, name in re.findall(r"`(?:[\w/]+/)?(\w+\.py):([\w.]+)`", ARCHITECTURE):
        for part in name.split("."):
            assert re.search(rf"(?:class|def) {part}\b", sources[file]), f"{file}:{name}"


def test_the_changelog_knows_the_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert len(headings) == 1 or headings[1].split()[0] == __version__


def test_both_distributions_say_the_same_of_python_and_licence() -> None:
    server = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sdk = tomllib.loads((ROOT / "sdk" / "pyproject.toml").read_text())["project"]
    assert server["license"] == sdk["license"] == "Apache-2.0"
    # It runs in other people's programs: OpenTelemetry and nothing else.
    assert all(name.startswith("opentelemetry-") for name in sdk["dependencies"])
