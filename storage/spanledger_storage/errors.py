"""Errors of the storage package.

StorageError
├── ConfigError        a setting is wrong; the message says which and what is allowed
├── EngineError        the local engine could not be started or died
├── MigrationError     the schema cannot be brought up to date
├── StateError         the state database refused or did not answer
└── StoreError         the store refused or did not answer; knows whether to retry
"""


class StorageError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigError(StorageError):
    """A setting is wrong; the message names it and says what to do."""


class EngineError(StorageError):
    """The local engine could not be started, or ended by itself."""


class MigrationError(StorageError):
    """A migration was edited after it ran, or failed half-way."""


class StateError(StorageError):
    """The state database refused a statement, did not answer, or lacks the tables."""


class StoreError(StorageError):
    """The store refused a statement or did not answer.

    Attributes:
        permanent: True when the same statement can never succeed (bad data, bad SQL);
            False when trying again later may (network, overload, disk full).
        code: ClickHouse error code, 0 when the server did not answer.
        may_be_rows: an insert was refused, and it cannot be told whether its rows are at fault.
    """

    def __init__(self, message: str, *, permanent: bool, code: int = 0) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.code = code
        self.may_be_rows = False
