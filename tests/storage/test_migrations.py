from spanledger_storage import migrations
from spanledger_storage.store import Store


def test_running_twice_changes_nothing(store: Store) -> None:
    assert migrations.pending(store) == []
    assert migrations.migrate(store) == []
