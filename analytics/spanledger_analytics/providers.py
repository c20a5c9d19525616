"""Names of providers on the wire, and what they are called in the price data."""

from __future__ import annotations

import re

# OpenTelemetry's well-known values of gen_ai.provider.name and gen_ai.system, and the spellings
# of other instrumentations, to provider ids of genai-prices. None: a provider the data lacks.
# https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
_PRICE_BOOK_IDS: dict[str, str | None] = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "aws_bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azureopenai": "azure",
    "bedrock": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gcp.vertex.agent": "google",
    "gemini": "google",
    "google": "google",
    "google.generative-ai": "google",
    "google.vertex": "google",
    "google_genai": "google",
    "groq": "groq",
    "ibm.watsonx.ai": None,
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "together_ai": "together",
    "togetherai": "together",
    "vertex_ai": "google",
    "vertexai": "google",
    "x_ai": "x-ai",
    "xai": "x-ai",
}

_SELF_HOSTED = frozenset(
    {
        "hosted_vllm",
        "lm_studio",
        "llamacpp",
        "lmstudio",
        "ollama",
        "ollama_chat",
        "sglang",
        "tgi",
        "vllm",
    }
)

# Names of frameworks that some instrumentations report as the provider.
_FRAMEWORKS = frozenset({"", "langchain", "langgraph", "llamaindex", "strands-agents", "unknown"})

# First parts of Google's resource names, whose last part is the model.
_RESOURCES = frozenset({"models", "projects", "publishers"})

# Ids of models on Amazon Bedrock: ``amazon.nova-pro-v1:0``, and with where it may run,
# ``us.anthropic.claude-sonnet-4-5-20250929-v1:0``.
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_BEDROCK_MAKER = r"(?:(?:us|us-gov|eu|apac|au|ca|in|jp|global)\.)?[a-z0-9]+\."
_BEDROCK_ID = re.compile(_BEDROCK_MAKER + "[a-z]", re.IGNORECASE)
_BEDROCK_MODEL = re.compile(_BEDROCK_MAKER + r"([a-z].*?)(?:-v\d+(?::\w+)*)?", re.IGNORECASE)
_DATE = re.compile(r"(?:-\d{8})?")


def price_book_id(provider: str) -> str | None:
    """Return the provider's id in the price data, '' for "go by the model's name".

    None means that no price in the book can be this provider's. Names that are not in the table
    are returned as they are: genai-prices knows further spellings.
    """
    name = provider.strip().lower()
    if name in _SELF_HOSTED:
        return None
    if name in _FRAMEWORKS:
        return ""
    if name in _PRICE_BOOK_IDS:
        return _PRICE_BOOK_IDS[name]
    # genai-prices would take any name with "openai" in it for OpenAI itself.
    return "azure" if name.startswith(("azure", "az.")) else name


def is_self_hosted(provider: str) -> bool:
    """Return whether the provider is an inference server that the user runs."""
    return provider.strip().lower() in _SELF_HOSTED


def wire_names(provider: str) -> frozenset[str]:
    """Return every name a provider answers to: on the wire, and in the price data."""
    name = provider.strip().lower()
    return frozenset({name, price_book_id(name) or ""} - {""})


def plain_model(provider_id: str, model: str) -> str:
    """Return a model's name without what gateways and resource names put before it, else ''.

    Forms: ``openai/gpt-4o``, ``models/gemini-2.5-pro``, ``publishers/google/models/…`` and
    Bedrock's ``arn:aws:bedrock:…/anthropic.claude-…``.
    """
    prefix, slash, rest = model.partition("/")
    if slash and price_book_id(prefix) == provider_id:
        return rest
    if slash and (prefix in _RESOURCES or model.startswith("arn:aws:bedrock:")):
        return model.rpartition("/")[2]
    return ""


def is_bedrock_id(model: str) -> bool:
    """Return whether a model's name is built like an id of Amazon Bedrock: maker, dot, model."""
    return _BEDROCK_ID.match(model.strip()) is not None


def is_short_for_bedrock_id(model: str, bedrock_id: str) -> bool:
    """Return whether a name is the maker's for a model that an id of Amazon Bedrock says more of.

    ``claude-sonnet-4-5-20250929``, also without the date, is for
    ``global.anthropic.claude-sonnet-4-5-20250929-v1:0``, behind an ARN, too.
    """
    found = _BEDROCK_MODEL.fullmatch(plain_model("aws", bedrock_id) or bedrock_id)
    if found is None:
        return False
    short, long = sorted((model.strip().lower(), found[1].lower()), key=len)
    return bool(short) and _DATE.fullmatch(long.removeprefix(short)) is not None
