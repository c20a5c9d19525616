"""Both schemas at once, for deployments where nobody runs ``spanledger up``."""

from __future__ import annotations

from contextlib import closing

from spanledger_storage import migrations
from spanledger_storage.errors import StoreError
from spanledger_storage.state import migrate_state, migrating, open_state
from spanledger_storage.store import Store, StoreSettings

_UNKNOWN_DATABASE = 81
_TIMEOUT_S = 86_400  # moving the rows of a large table takes as long as it takes


def migrate_all(settings: StoreSettings, state_url: str) -> None:
    """Migrate the store and the state database, and say what ran.

    Raises:
        StorageError: the first thing that failed.
    """
    state = open_state(state_url)
    with migrating(state):
        migrate_state(state)
        migrations.create_database(settings)
        with closing(Store.connect(settings, timeout_s=_TIMEOUT_S)) as store:
            ran = migrations.migrate(store)
    state.dispose()
    for migration in ran:
        print(f"ran {migration.name}")
    print(f"{settings.address}: up to date ({len(ran)} migrations ran).")


def print_pending(settings: StoreSettings) -> None:
    """Print the statements that :func:`migrate_all` would run on the store.

    Raises:
        StorageError: the store cannot be read, or its migrations do not fit ours.
    """
    try:
        store = Store.connect(settings)
    except StoreError as error:
        if error.code != _UNKNOWN_DATABASE:
            raise
        todo = migrations.all_migrations()
    else:
        todo = migrations.pending(store)
        store.close()
    for migration in todo:
        print(f"-- {migration.name}\n{migration.sql.strip()};\n")
    print(f"-- {settings.address}: {len(todo)} migrations to run.")
