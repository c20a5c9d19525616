"""A store with the ledger job and the cache job, fed as the collector feeds it."""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from spanledger_analytics.cache.job import CacheJob
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.analytics.cache_planted import T0_S, Rendered, S
from tests.marks import Marks
from tests.otlp import request

BOOK = PriceBook.bundled()
RECEIVED_NS = (T0_S + 7_200) * S
_flushes = itertools.count(1)


class Caches:
    """A store with both jobs."""

    def __init__(self, store: Store, project: str = "p") -> None:
        self.store, self.project = store, project
        self.ledger = LedgerJob(store, time.time_ns, Marks(), lambda: BOOK)
        self.marks = Marks()
        self.cache = CacheJob(store, time.time_ns, self.marks, lambda: BOOK)

    def put(self, rendered: Iterable[Rendered]) -> None:
        by_scope: defaultdict[str, list[Rendered]] = defaultdict(list)
        for one in rendered:
            by_scope[one.scope].append(one)
        bodies = [
            Body(
                self.project,
                request(*(o.span for o in of), service=scope, scope=scope).SerializeToString(),
                RECEIVED_NS,
            )
            for scope, of in by_scope.items()
        ]
        self.put_bodies(bodies)

    def put_bodies(self, bodies: list[Body]) -> None:
        flush = f"cache-{next(_flushes)}"
        store_rows(self.store, decode_batch(bodies, flush, RECEIVED_NS), flush)

    def derive(self) -> int:
        self.ledger.run_once()
        return self.derive_caches()

    def derive_caches(self) -> int:
        written = 0
        while True:
            stats = self.cache.run_once()
            written += stats.written + stats.removed
            if stats.is_drained:
                return written

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        sql = "SELECT * EXCEPT version FROM cache_calls FINAL WHERE is_deleted = 0"
        found = self.store.sql_rows(sql)
        return {(str(row["trace_id"]), str(row["span_id"])): row for row in found}
