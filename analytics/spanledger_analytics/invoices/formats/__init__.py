"""Importers, one file each: which there are, and which one a document is for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from spanledger_analytics.invoices.documents import Head
from spanledger_analytics.invoices.errors import InvoiceError, UnknownFormatError
from spanledger_analytics.invoices.formats.form import Format
from spanledger_analytics.invoices.formats.generic import Generic

_PACKAGE = "spanledger_analytics.invoices.formats"
FORMATS = {
    "openai-usage": "openai_usage:OpenAIUsage",
    "openai-costs": "openai_costs:OpenAICosts",
    "openai-usage-csv": "openai_usage_csv:OpenAIUsageCsv",
    "openai-costs-csv": "openai_costs_csv:OpenAICostsCsv",
    "anthropic-usage": "anthropic_usage:AnthropicUsage",
    "anthropic-costs": "anthropic_costs:AnthropicCosts",
    "anthropic-analytics-usage": "anthropic_analytics_usage:AnthropicAnalyticsUsage",
    "anthropic-analytics-costs": "anthropic_analytics_costs:AnthropicAnalyticsCosts",
    "anthropic-usage-csv": "anthropic_usage_csv:AnthropicUsageCsv",
    "anthropic-costs-csv": "anthropic_costs_csv:AnthropicCostsCsv",
    "gcp-billing": "gcp_billing:GcpBilling",
    "aws-cur": "aws_cur:AwsCur",
    "azure-costs": "azure_costs:AzureCosts",
    "deepseek-amount": "deepseek_amount:DeepSeekAmount",
    "deepseek-cost": "deepseek_cost:DeepSeekCost",
    "fireworks-metrics": "fireworks_metrics:FireworksMetrics",
    "fireworks-costs": "fireworks_costs:FireworksCosts",
    "openrouter-activity": "openrouter_activity:OpenRouterActivity",
    "openrouter-generation": "openrouter_generation:OpenRouterGeneration",
    "mistral-usage": "mistral_usage:MistralUsage",
    "invoice-totals": "invoice_totals:InvoiceTotals",
    "focus-invoice": "focus_invoice:FocusInvoice",
    "focus": "focus:Focus",
}
"""By name, in the order they are asked in; ``generic`` besides, which needs a mapping."""


def format_named(name: str, mapping: str = "") -> Format:
    """Return an importer by name; of ``generic``, with its mapping (YAML).

    Raises:
        InvoiceError: there is no such format, or the mapping does not fit it.
    """
    if name == "generic" or (mapping and not name):
        if not mapping:
            raise InvoiceError("The format generic needs --mapping FILE, a YAML file.")
        return Generic(mapping)
    if mapping:
        raise InvoiceError("--mapping goes with --format generic alone.")
    if name not in FORMATS:
        raise InvoiceError(
            f"There is no format {name[:40]!r}; there are {', '.join((*FORMATS, 'generic'))}."
        )
    return _load(name)


def format_of(head: Head, document: str) -> Format:
    """Return the importer a document is for, by its content.

    Raises:
        UnknownFormatError: none knows it.
    """
    for name in FORMATS:
        found = _load(name)
        if found.matches(head):
            return found
    columns = ", ".join(sorted(head.columns))[:400]
    raise UnknownFormatError(
        f"{document} is of no format we know, or holds no rows; its fields are {columns or 'none'}."
        f" Say with --format what it is ({', '.join(FORMATS)}), or describe its columns with "
        "--mapping FILE."
    )


@cache
def _load(name: str) -> Format:
    module, _, attribute = FORMATS[name].partition(":")
    found: Format = getattr(import_module(f"{_PACKAGE}.{module}"), attribute)()
    return found
