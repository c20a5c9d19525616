"""Metrics of inference engines by name, to the columns of inference_samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from spanledger_collector.decode.infrastructure.rules import Attributes, Place, Rule, first, said

SAMPLES = "inference_samples"
_US, _MS = 1e-6, 1e-3
ENGINE = "spanledger.inference.engine"


def _place(engine: str, about: Attributes, resource: Attributes) -> Place | None:
    host = first(resource, "host.name", "server.address", "net.host.name")
    service = first(resource, "service.name")
    worker = first(resource, "service.instance.id") or first(about, "instance") or host or service
    model = first(about, "model_name", "model")
    rank = first(about, "engine", "dp_rank") if engine in ("vllm", "sglang") else ""
    return Place(
        (worker, model, rank),
        {
            "engine": engine,
            "service_name": service,
            "host": host,
            "pod": first(resource, "k8s.pod.name") or first(about, "pod"),
            "namespace": first(resource, "k8s.namespace.name") or first(about, "namespace"),
        },
    )


def _up(about: Attributes, resource: Attributes) -> Place | None:
    """Return the row of a worker that our scraper asked; others' `up` may be about anything."""
    engine = said(resource.get(ENGINE))
    return _place(engine, about, resource) if ENGINE in resource and engine != "dcgm" else None


def _trt_requests(about: Attributes) -> str:
    kind = said(about.get("request_type"))
    return {"waiting": "requests_waiting", "active": "requests_running"}.get(kind, "")


def _trt_blocks(about: Attributes) -> str:
    return "kv_cache_ratio" if about.get("kv_cache_block_type") == "fraction" else ""


# Names without the engine's prefix. "+": series of one row add up.
_VLLM = {
    "num_requests_running": "requests_running+",
    "num_requests_waiting": "requests_waiting+",
    "kv_cache_usage_perc": "kv_cache_ratio",
    "gpu_cache_usage_perc": "kv_cache_ratio",
    "prompt_tokens_total": "input_tokens+",
    "generation_tokens_total": "output_tokens+",
    "prefix_cache_queries_total": "cache_queried_tokens+",
    "prefix_cache_hits_total": "cache_hit_tokens+",
    "gpu_prefix_cache_queries_total": "cache_queried_tokens+",
    "gpu_prefix_cache_hits_total": "cache_hit_tokens+",
    "num_preemptions_total": "preemptions+",
    "request_success_total": "requests+",
    "time_to_first_token_seconds": "ttft",
    "request_time_per_output_token_seconds": "tpot",
    "inter_token_latency_seconds": "itl",
    "time_per_output_token_seconds": "itl",
    "e2e_request_latency_seconds": "latency",
    "request_queue_time_seconds": "queue",
    "request_prefill_time_seconds": "prefill_seconds",
    "request_decode_time_seconds": "decode_seconds",
}
_SGLANG = {
    "num_running_reqs": "requests_running+",
    "num_queue_reqs": "requests_waiting+",
    "token_usage": "kv_cache_ratio",
    "cache_hit_rate": "cache_hit_ratio",
    "prompt_tokens_total": "input_tokens+",
    "generation_tokens_total": "output_tokens+",
    "cached_tokens_total": "cache_hit_tokens+",
    "num_requests_total": "requests+",
    "forward_execution_seconds_total": "busy_seconds+",
    "time_to_first_token_seconds": "ttft",
    "inter_token_latency_seconds": "itl",
    "e2e_request_latency_seconds": "latency",
    "queue_time_seconds": "queue",
}
_TGI = {
    "queue_size": "requests_waiting+",
    "batch_current_size": "requests_running+",
    "request_success": "requests+",
    "request_generated_tokens": "output_tokens",
    "request_input_length": "input_tokens",
    "request_duration": "latency",
    "request_queue_duration": "queue",
    "request_mean_time_per_token_duration": "tpot",
}
_TRTLLM = {
    "num_requests_running": "requests_running+",
    "num_requests_waiting": "requests_waiting+",
    "kv_cache_utilization": "kv_cache_ratio",
    "kv_cache_hit_rate": "cache_hit_ratio",
    "prompt_tokens_total": "input_tokens+",
    "generation_tokens_total": "output_tokens+",
    "prompt_cached_tokens_total": "cache_hit_tokens+",
    "request_success_total": "requests+",
    "time_to_first_token_seconds": "ttft",
    "time_per_output_token_seconds": "tpot",
    "e2e_request_latency_seconds": "latency",
    "request_queue_time_seconds": "queue",
    "request_prefill_time_seconds": "prefill_seconds",
    "request_decode_time_seconds": "decode_seconds",
}
_LLAMA = {
    "requests_processing": "requests_running+",
    "requests_deferred": "requests_waiting+",
    "kv_cache_usage_ratio": "kv_cache_ratio",
    "prompt_tokens_total": "input_tokens+",
    "tokens_predicted_total": "output_tokens+",
    "prompt_seconds_total": "prefill_seconds+",
    "tokens_predicted_seconds_total": "decode_seconds+",
}
# Earlier names, which versions in between show beside the new ones, and later ones when asked to:
# https://docs.vllm.ai/en/stable/usage/metrics/
_OLDER = frozenset(
    {
        ("vllm", "gpu_prefix_cache_queries_total"),
        ("vllm", "gpu_prefix_cache_hits_total"),
        ("vllm", "time_per_output_token_seconds"),
    }
)
_HISTOGRAMS = frozenset({"ttft", "tpot", "itl", "latency", "queue"})
# Histograms whose sum is the figure: tokens of requests, seconds of a phase.
_SUMS = frozenset({"input_tokens", "output_tokens", "prefill_seconds", "decode_seconds"})
_ENGINES = (
    ("vllm", ("vllm:", "vllm_", "vllm."), _VLLM),
    ("sglang", ("sglang:", "sglang_", "sglang."), _SGLANG),
    ("tgi", ("tgi_",), _TGI),
    ("tensorrt-llm", ("trtllm_",), _TRTLLM),
    ("llama.cpp", ("llamacpp:", "llamacpp_"), _LLAMA),
)


def _rule(engine: str, column: str, *, is_older: bool = False) -> Rule:
    place = partial(_place, engine)
    if column in _HISTOGRAMS:
        return Rule(SAMPLES, column, place, needs="buckets", is_older=is_older)
    return Rule(
        SAMPLES,
        column.rstrip("+"),
        place,
        is_sum=column.endswith("+"),
        needs="sum_or_value" if column in _SUMS else "",
        is_older=is_older,
    )


def _rules() -> dict[str, tuple[Rule, ...]]:
    found: dict[str, tuple[Rule, ...]] = {
        prefix + name: (_rule(engine, column, is_older=(engine, name) in _OLDER),)
        for engine, prefixes, names in _ENGINES
        for prefix in prefixes
        for name, column in names.items()
    }
    for prefix in ("sglang:", "sglang_", "sglang.", "trtllm_"):
        # Every input token is looked for; these engines count those once.
        name = prefix + "prompt_tokens_total"
        engine = "sglang" if prefix.startswith("sglang") else "tensorrt-llm"
        found[name] = (*found[name], _rule(engine, "cache_queried_tokens+"))
    triton = partial(_place, "triton")

    def chosen(choose: Callable[[Attributes], str]) -> tuple[Rule, ...]:
        return (Rule(SAMPLES, "", triton, choose=choose, is_sum=True),)

    return found | {
        "nv_inference_request_success": (Rule(SAMPLES, "requests", triton, is_sum=True),),
        "nv_inference_pending_request_count": (
            Rule(SAMPLES, "requests_waiting", triton, is_sum=True),
        ),
        "nv_inference_compute_infer_duration_us": (
            Rule(SAMPLES, "busy_seconds", triton, scale=_US, is_sum=True),
        ),
        "nv_inference_first_response_histogram_ms": (
            Rule(SAMPLES, "ttft", triton, scale=_MS, needs="buckets"),
        ),
        "nv_trt_llm_request_metrics": chosen(_trt_requests),
        "nv_trt_llm_kv_cache_block_metrics": chosen(_trt_blocks),
        "up": (Rule(SAMPLES, "is_up", _up),),
    }


RULES: dict[str, tuple[Rule, ...]] = _rules()
"""By name of the metric."""
