"""What is odd about a span is flagged, kept as it came, and never a wrong number."""

from __future__ import annotations

import pytest

from tests.decoded import NOW_NS, row, tokens

DAY_NS = 86_400 * 10**9
CHAT = {"gen_ai.operation.name": "chat"}


@pytest.mark.parametrize("bad", [-1, 2.5, float("nan"), 2**53 + 1, "many", True, [1]])
def test_a_token_count_that_is_none_stays_unknown(bad: object) -> None:
    made = row({**CHAT, "gen_ai.usage.input_tokens": bad, "gen_ai.usage.output_tokens": 5})
    assert made["flags"] == ["bad_token_count"]
    assert tokens(made) == (None, None, None, 5, None)
    assert made["attributes"]["gen_ai.usage.input_tokens"] != ""


def test_a_sum_of_counts_beyond_all_counts_is_unknown() -> None:
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 2**53}
    made = row({**CHAT, **usage})
    assert made["flags"] == ["bad_token_count", "input_excluded_cache"]
    assert (made["input_tokens"], made["usage_source"]) == (None, "none")


@pytest.mark.parametrize("fine", [7, 7.0, "7", "7.0", " 7 "])
def test_a_count_may_be_written_in_many_ways(fine: object) -> None:
    made = row({**CHAT, "gen_ai.usage.input_tokens": fine})
    assert made["flags"] == []
    assert made["input_tokens"] == 7


def test_what_nobody_reported_is_not_bad() -> None:
    made = row({**CHAT, "gen_ai.usage.input_tokens": "", "gen_ai.usage.output_tokens": None})
    assert made["flags"] == []
    assert made["usage_source"] == "none"


def test_other_numbers_that_are_no_counts_are_no_bad_tokens() -> None:
    made = row({**CHAT, "gen_ai.request.max_tokens": -1, "gen_ai.request.seed": "x"})
    assert made["flags"] == []
    assert made["max_tokens"] is None


def test_a_bad_count_in_a_usage_object_is_flagged() -> None:
    usage = '{"prompt_tokens": -5, "completion_tokens": 3}'
    made = row(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": usage,
        }
    )
    assert made["flags"] == ["bad_token_count"]
    assert tokens(made) == (None, None, None, 3, None)


def test_input_without_the_cache_is_corrected() -> None:
    made = row(
        {
            **CHAT,
            "gen_ai.usage.input_tokens": 113,
            "gen_ai.usage.cache_read.input_tokens": 6000,
            "gen_ai.usage.cache_write.input_tokens": 3000,
        }
    )
    assert made["flags"] == ["input_excluded_cache"]
    assert tokens(made) == (9113, 6000, 3000, None, None)


@pytest.mark.parametrize("key", ["gen_ai.request.model", "gen_ai.response.model"])
def test_a_long_model_name_is_cut(key: str) -> None:
    made = row({**CHAT, key: "m" * 257})
    assert made["flags"] == ["long_model_name"]
    assert made[key.split(".")[1] + "_model"] == "m" * 256
    assert made["attributes"][key] == "m" * 257
    assert row({**CHAT, key: "m" * 256})["flags"] == []


@pytest.mark.parametrize(
    ("start_ns", "end_ns", "flags"),
    [
        (NOW_NS, NOW_NS, []),
        (NOW_NS, NOW_NS - 1, ["impossible_time"]),
        (NOW_NS + DAY_NS, NOW_NS + DAY_NS, []),
        (NOW_NS + DAY_NS + 1, NOW_NS + DAY_NS + 1, ["impossible_time"]),
        (0, NOW_NS, ["impossible_time"]),
        (946_684_800 * 10**9 - 1, NOW_NS, ["impossible_time"]),
        (946_684_800 * 10**9, NOW_NS, []),
        (2**64 - 1, 2**64 - 1, ["impossible_time"]),
    ],
)
def test_impossible_times_are_flagged(start_ns: int, end_ns: int, flags: list[str]) -> None:
    made = row({}, start_time_unix_nano=start_ns, end_time_unix_nano=end_ns)
    assert made["flags"] == flags


def test_zeros_of_a_failed_call_are_unknown() -> None:
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    zeros = {**CHAT, "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    failed = row(zeros, status=Status(code=Status.STATUS_CODE_ERROR))
    assert (tokens(failed), failed["usage_source"]) == ((None,) * 5, "none")
    answered = row(zeros)
    assert tokens(answered) == (0, None, None, 0, None)
    assert answered["flags"] == ["estimated_usage"]


def test_an_announcement_of_a_span_is_no_span() -> None:
    from tests.decoded import decode, span

    pending = span({"logfire.span_type": "pending_span", "gen_ai.usage.input_tokens": 7})
    decoded = decode(pending, span({"logfire.span_type": "span"}, span_id=b"r" * 8))
    assert decoded.spans["span_id"].to_pylist() == [(b"r" * 8).hex()]
    assert decoded.touches["spans"].to_pylist() == [1]
