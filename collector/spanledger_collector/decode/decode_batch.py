"""One batch of requests of any signals to the rows of all tables."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from spanledger_collector.decode.columns import TOUCH_SCHEMA
from spanledger_collector.decode.decode import Body, decode_traces, table_of
from spanledger_collector.decode.decode_logs import decode_logs
from spanledger_collector.decode.decode_metrics import decode_metrics
from spanledger_collector.decode.messages import MessageStore


def decode_batch(
    bodies: Sequence[Body],
    flush_id: str,
    ingested_at_ns: int,
    messages: MessageStore | None = None,
) -> list[tuple[str, pa.Table]]:
    """Return tables and their rows in the order to insert them.

    Whoever sees a span finds its messages, and whoever sees the note to the jobs (``touches``)
    finds everything it is about. Equal bodies give equal rows in equal order, but for ``messages``,
    which lacks those that are in the store already.

    Raises:
        ValueError: a payload is not a request of its signal; the message names its index.
    """
    decoded = decode_traces(bodies, flush_id, ingested_at_ns, messages)
    points, touches, infrastructure = decode_metrics(bodies, ingested_at_ns)
    noted = table_of([(*key, flush_id, n, 1) for key, n in touches.items()], TOUCH_SCHEMA)
    return [
        ("messages", decoded.messages),
        ("logs", decode_logs(bodies, ingested_at_ns)),
        ("metric_points", points),
        *infrastructure,
        ("spans", decoded.spans),
        ("touches", pa.concat_tables([decoded.touches, noted])),
    ]
