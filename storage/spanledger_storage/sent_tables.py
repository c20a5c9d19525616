"""Tables sent with a statement: thousands of ids in its text would cost more than what finds them.

https://clickhouse.com/docs/engines/table-engines/special/external-data
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

from clickhouse_connect.driver.external import ExternalData

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES = {"string": "String", "uint32": "UInt32", "uint64": "UInt64", "int64": "Int64"}


def sent(params: Mapping[str, object]) -> tuple[dict[str, object], ExternalData | None]:
    """Return parameters that are values, and those that are Arrow tables as the driver sends them.

    Columns of tables are texts and whole numbers, without NULLs.
    """
    values: dict[str, object] = {}
    tables: ExternalData | None = None
    for name, value in params.items():
        if _is_table(value):
            tables = tables or ExternalData()
            tables.add_file(
                file_name=name, data=_stream(value), fmt="ArrowStream", structure=_structure(value)
            )
        else:
            values[name] = value
    return values, tables


def _is_table(value: object) -> TypeGuard[pa.Table]:
    # Without an import: who only asks need not wait for pyarrow.
    return type(value).__module__.startswith("pyarrow")


def _structure(table: pa.Table) -> str:
    return ", ".join(f"{field.name} {_TYPES[str(field.type)]}" for field in table.schema)


def _stream(table: pa.Table) -> bytes:
    from pyarrow import BufferOutputStream, ipc

    sink = BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()
