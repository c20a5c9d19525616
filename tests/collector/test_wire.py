"""Messages of protobuf, taken apart and mended."""

import tracemalloc

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.edge.wire import length_delimited, with_valid_texts

_MIB = 1 << 20


def test_mending_a_text_far_down_takes_memory_for_it_and_not_for_every_level() -> None:
    value = length_delimited(1, b"\xff" + b"x" * _MIB)
    for _ in range(45):
        value = length_delimited(5, length_delimited(1, value))
    tracemalloc.start()
    try:
        mended = with_valid_texts(value, AnyValue.DESCRIPTOR)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(mended) == len(value) + 2
    assert most_bytes < 8 * _MIB  # of a request of 64 MiB it was 6 GiB


def test_what_is_valid_or_unknown_stays_as_it_was() -> None:
    bad = length_delimited(5, length_delimited(1, length_delimited(1, b"a\xed\xa0\xbdb")))
    raw = length_delimited(7, b"\xff")  # bytes are no text
    unknown = length_delimited(99, b"\xff") + b"\xf8\x06\x05"
    good = length_delimited(1, "é".encode())
    mended = length_delimited(5, length_delimited(1, length_delimited(1, b"a?b")))
    assert with_valid_texts(raw + bad + unknown + good, AnyValue.DESCRIPTOR) == (
        raw + mended + unknown + good
    )
