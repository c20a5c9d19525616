"""The lines of one import, read back as they were read, whether they count or not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.invoices.rows import lines_of
from spanledger_storage.invoice_state import ImportRow
from spanledger_storage.store import Store

_PAGE = 50_000


def lines_of_import(store: Store, row: ImportRow, most: int | None = None) -> Iterator[InvoiceLine]:
    """Return the lines of an import in the order of its file, at most ``most``.

    Raises:
        StoreError: the store refused or did not answer.
    """
    if not row.first_day:
        return
    size = _PAGE if most is None else min(_PAGE, most)
    params: dict[str, object] = {
        "project": row.project, "import_id": row.import_id,
        "first_day": date.fromisoformat(row.first_day),
        "last_day": date.fromisoformat(row.last_day),
        # The number before the first: part 65535 of line 0 is never given.
        "after_line": 0, "after_part": 65_535, "page_size": size,
    }  # fmt: skip
    count = 0
    while True:
        table = store.arrow("invoice_lines_of_import", params)
        for _, _, line in lines_of(table):
            yield line
        count += table.num_rows
        if table.num_rows < size or (most is not None and count >= most):
            return
        last = table.num_rows - 1
        params["after_line"] = table.column("line_number")[last].as_py()
        params["after_part"] = table.column("part")[last].as_py()
