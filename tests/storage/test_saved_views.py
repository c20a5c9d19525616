"""What people save is there again, by project and kind, and says so when it cannot be."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_storage.errors import StateError
from spanledger_storage.saved_views import NAME_LIMIT, SavedViews
from spanledger_storage.state import open_state_reader


def test_what_is_saved_is_found_in_its_project_and_kind_only(state: sa.Engine) -> None:
    views = SavedViews(state)
    views.save("traces", "one", "  dear   ones ", {"min_cost": 2}, who="ann")
    [found] = views.of("traces", "one")
    assert (found.name, dict(found.content), found.saved_by) == (
        "dear ones",
        {"min_cost": 2},
        "ann",
    )
    assert views.of("traces", "two") == []
    assert views.of("sql", "one") == []


def test_saving_a_name_again_replaces_it(state: sa.Engine) -> None:
    views = SavedViews(state)
    views.save("sql", "one", "q", {"sql": "SELECT 1"}, who="ann")
    views.save("sql", "one", "q", {"sql": "SELECT 2"}, who="bob")
    [found] = views.of("sql", "one")
    assert (found.content["sql"], found.saved_by) == ("SELECT 2", "bob")


def test_removing_says_whether_there_was_something(state: sa.Engine) -> None:
    views = SavedViews(state)
    views.save("cost", "one", "q", {}, who="ann")
    assert not views.remove("cost", "two", "q")
    assert views.remove("cost", "one", "q")
    assert views.of("cost", "one") == []


@pytest.mark.parametrize("name", ["", "  ", "x" * (NAME_LIMIT + 1)])
def test_a_name_that_cannot_be_is_refused_with_the_limit(state: sa.Engine, name: str) -> None:
    with pytest.raises(ValueError, match=f"1 to {NAME_LIMIT} characters"):
        SavedViews(state).save("traces", "one", name, {}, who="ann")


def test_what_is_too_large_is_refused(state: sa.Engine) -> None:
    with pytest.raises(ValueError, match="too large"):
        SavedViews(state).save("sql", "one", "q", {"sql": "x" * 1_000_001}, who="ann")


def test_a_database_that_cannot_be_written_says_what_to_do(
    state: sa.Engine, tmp_path: Path
) -> None:
    reader = open_state_reader(f"sqlite:///{tmp_path / 'state.db'}")
    with pytest.raises(StateError, match=r"spanledger migrate.*read-only"):
        SavedViews(reader).save("sql", "one", "q", {}, who="ann")
