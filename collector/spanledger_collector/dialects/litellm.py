"""LiteLLM's OpenTelemetry callback, in its three modes.

https://docs.litellm.ai/docs/observability/opentelemetry_integration
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import paid, parse_json, text
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.openllmetry import OPENLLMETRY
from spanledger_collector.dialects.otel_genai import OPERATIONS
from spanledger_collector.dialects.raw_usage import fill_usage, parse_usage, read_usage
from spanledger_collector.dialects.vocabulary import provider, provider_of_model

# Functions of LiteLLM, which it writes as the operation. "raw_gen_ai_request", a child of the
# call with the provider's own parameters, has none.
_CALLS = {
    **OPERATIONS,
    "aembedding": "embedding",
    "text_completion": "llm",
    "atext_completion": "llm",
    "responses": "llm",
    "aresponses": "llm",
    "anthropic_messages": "llm",
    "generate_content": "llm",
    "agenerate_content": "llm",
}
_RAW = "raw_gen_ai_request"


def _replace_alias(draft: Draft, maker: str, model: str) -> None:
    """Name the model that was called where the proxy wrote its own name for it.

    V2 writes that name as what was asked for; both modes, in most answers, as what answered.
    """
    row = draft.row
    if row["provider"] != provider(maker):
        return  # a slash in the model's own name
    alias = draft.attributes.get("litellm.model_group") or row["request_model"]
    # A deployment of Azure's or an ARN may be named anything: then the alias tells more.
    is_deployment = maker.startswith("azure") and not provider_of_model(model)
    is_opaque = is_deployment or model.startswith("arn:")
    if alias == model or (is_opaque and provider_of_model(str(alias))):
        return
    for column, name in (("request_model", model), ("response_model", "")):
        if row[column] == alias:
            row[column] = name


def _read_media(draft: Draft) -> bool:
    """Read Gemini's own usage where it alone tells how much of the audio was cached."""
    for name in ("gemini", "vertex_ai"):
        said = f"llm.{name}."
        usage = parse_usage(draft.attributes.get(f"{said}usageMetadata"))
        counts = read_usage(usage)[0] if usage else {}
        if counts.get("audio_input_tokens") and counts.get("cache_read_tokens"):
            fill_usage(draft, usage)
            draft.fill("provider", provider(name))
            draft.fill("response_id", text(draft.attributes.get(f"{said}responseId")))
            draft.fill("response_model", text(draft.attributes.get(f"{said}modelVersion")))
            return True
    return False


def _interpret(draft: Draft) -> None:
    row, attributes = draft.row, draft.attributes
    if draft.span.name == _RAW:
        row["role"] = "llm" if _read_media(draft) else "other"
        return
    if OPENLLMETRY.interpret is not None:
        OPENLLMETRY.interpret(draft)
    if row["role"] not in ("llm", "embedding"):
        return
    fill_usage(draft, parse_usage(attributes.get("metadata.usage_object")))
    maker, _, model = str(attributes.get("litellm.provider.model", "")).partition("/")
    if model:
        draft.fill("provider", provider(maker))
        _replace_alias(draft, maker, model)
    if row["reported_cost_usd"] is None:
        hidden = parse_json(attributes.get("hidden_params"))
        if isinstance(hidden, dict):
            draft.fill("reported_cost_usd", paid(hidden.get("response_cost")))


LITELLM = replace(
    OPENLLMETRY,
    name="litellm",
    scopes=("litellm",),
    markers=frozenset({"litellm.call_id", "metadata.usage_object"}),
    columns={
        **OPENLLMETRY.columns,
        **sources("request_model", text, "gen_ai.request.model", "litellm.provider.model"),
        **sources("reported_cost_usd", paid, "gen_ai.cost.total_cost", "litellm.cost.total"),
        **sources(
            "session_id",
            text,
            "gen_ai.conversation.id",
            "session.id",
            "metadata.session_id",
            "litellm.metadata.session_id",
        ),
        **sources(
            "user_id",
            text,
            "user.id",
            "llm.user",
            "metadata.user_api_key_end_user_id",
            "litellm.metadata.user_api_key_end_user_id",
            "metadata.user_api_key_user_id",
            "litellm.metadata.user_api_key_user_id",
        ),
    },
    roles=(
        ("gen_ai.operation.name", _CALLS),
        ("litellm.call_type", _CALLS),
        ("llm.request.type", _CALLS),
    ),
    interpret=_interpret,
)
