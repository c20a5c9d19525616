"""What to do about each cause, in words. Places: ``{where}`` and ``{provider}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.result import Cause, CellKey

_Kind = Literal["exchange_rate", "mapping", "instrument", "deduplicate", "adjust", "dispute"]


class Advice(NamedTuple):
    """What to do where nothing can be computed: its kind, one line, and how."""

    kind: _Kind
    title: str
    text: str


ADVICE: Mapping[Cause, Advice] = {
    Cause.NOT_REPORTED: Advice(
        "adjust", "Ask {provider} for the missing report, or leave it out",
        "The provider's report leaves these charges out: Priority Tier, a marketplace, or a key of "
        "its upstream. Import the invoice that has them.",
    ),
    Cause.UNPRICED: Advice(
        "instrument", "Set a price for what has none in {where}",
        "The ledger knows these tokens and not their price. spanledger prices check names the "
        "models; a rate prices them, also back to the first day.",
    ),
    Cause.TAX: Advice(
        "adjust", "Post the tax of {provider} as an adjustment",
        "Calls do not tell taxes. An adjustment brings them into the ledger.",
    ),
    Cause.CREDIT: Advice(
        "adjust", "Post the credits of {provider} as an adjustment",
        "Credits lower the bill and not the price of a call. An adjustment brings them in.",
    ),
    Cause.DISCOUNT: Advice(
        "adjust", "Make the discount of {provider} a contract, or post it",
        "What is charged is below the list price. A contract prices calls with the discount from "
        "their first day on; commitments and free allowances are posted as an adjustment.",
    ),
    Cause.CURRENCY: Advice(
        "exchange_rate", "Set the exchange rate of {provider}'s currency",
        "The bill is in another currency, or by another rate than ours. Set the rate that the "
        "invoice names, from the first day it holds.",
    ),
    Cause.TOOL_FEES: Advice(
        "instrument", "Report tools that {provider} runs, in {where}",
        "The provider charges for searches, sessions or files that no call tells of. Let the "
        "instrumentation report them (web searches, tool calls), or set a fee per call.",
    ),
    Cause.DOUBLE_COUNTED: Advice(
        "deduplicate", "Switch one of two instrumentations off in {where}",
        "Calls are told of twice with nothing that says they are one: a gateway and an SDK, or two "
        "instrumentations. Leave one on, or let both keep the provider's response id.",
    ),
    Cause.DAY_BOUNDARY: Advice(
        "adjust", "Nothing to do: calls of {provider} around midnight",
        "The provider puts calls that cross midnight on the other day. Over several days it "
        "evens out.",
    ),
    Cause.ALIAS: Advice(
        "mapping", "Map a name of {provider} to the model it stands for",
        "The same model has two names. Map the one of the report to the one of the ledger, on the "
        "Mappings page or with spanledger invoices mappings.",
    ),
    Cause.BATCH_OR_TIER: Advice(
        "instrument", "Report the service tier of calls in {where}",
        "The provider charged batch or another tier than the ledger knows. Record the tier of the "
        "answer (gen_ai.openai.response.service_tier or service_tier); for batches, batch.",
    ),
    Cause.LONG_CONTEXT: Advice(
        "instrument", "Price long requests of {where} by their size",
        "The provider charges more for long requests. Set a rate with --above-tokens, and let "
        "sums over several calls be sent call by call.",
    ),
    Cause.GEO: Advice(
        "instrument", "Report where calls of {where} run",
        "The provider charges more in this geography. Record the region of calls "
        "(cloud.region), or set a rate with --region.",
    ),
    Cause.PEAK_HOURS: Advice(
        "instrument", "Set peak and off-peak rates of {provider}",
        "The provider's price depends on the hour. Rates of the price data that lack it are "
        "overridden by own rates.",
    ),
    Cause.CACHE_LIFETIME: Advice(
        "instrument", "Report the lifetime of cache writes in {where}",
        "Cache writes are priced by how long they live. Record the counts of five minutes and one "
        "hour apart, as the provider's answer has them.",
    ),
    Cause.INPUT_CONVENTION: Advice(
        "instrument", "Correct the input tokens of {where}",
        "Cached tokens are counted in the input, or left out of it, and the instrumentation means "
        "the other. Update it; the Data quality page names the versions with this fault.",
    ),
    Cause.MISSING_USAGE: Advice(
        "instrument", "Let streams of {where} report their usage",
        "These calls were seen and told no tokens: streams that were cancelled, or did not ask for "
        "usage. Set stream_options.include_usage, and read streams to their end where you can.",
    ),
    Cause.HIDDEN_RETRIES: Advice(
        "instrument", "Count the retries of {where}",
        "The SDK repeated calls by itself and each attempt is charged. Record the attempts "
        "(http.request.resend_count), or retry outside of the SDK.",
    ),
    Cause.HIDDEN_TOKENS: Advice(
        "instrument", "Read the whole usage of calls in {where}",
        "The provider charges tokens that the recorded usage leaves out: thinking, compaction, "
        "tool definitions. Update the instrumentation, or record the usage object as it comes.",
    ),
    Cause.OTHER_TRAFFIC: Advice(
        "instrument", "Instrument {where}, or map it to its own project",
        "Nothing of this key or workspace is ever seen: the console, a script, another team. "
        "Instrument what uses it, or map the scope to the Spanledger project it belongs to.",
    ),
    Cause.MISSING_TELEMETRY: Advice(
        "instrument", "Instrument the rest of {where}",
        "Calls of this key are seen, but not all of them. Something that uses it sends no "
        "telemetry, samples it, or lost it: spanledger doctor on each host finds which.",
    ),
    Cause.PRICE_BOOK: Advice(
        "dispute", "Check the price of {where}",
        "The provider charged the same quantity at another price. If its price list says so, this "
        "rate brings the ledger in line from the first day; if not, dispute it.",
    ),
    Cause.ROUNDING: Advice(
        "adjust", "Nothing to do: rounding of {provider}",
        "Amounts of the report are rounded. An adjustment brings the rest into the ledger.",
    ),
    Cause.UNMAPPED: Advice(
        "mapping", "Say what the unmapped lines of {provider} are for",
        "These lines wait for somebody to say what they are for: the Mappings page lists them.",
    ),
    Cause.UNEXPLAINED: Advice(
        "dispute", "Ask {provider} about what nothing explains",
        "No cause explains this. The dispute pack has every call with its ids, our arithmetic and "
        "their lines.",
    ),
}  # fmt: skip


_OF_INVOICE = Advice(
    "adjust",
    "Post what the invoice of {provider} says beyond its lines",
    "Calls do not tell it. An adjustment brings it into the ledger, so that showback equals the "
    "invoice.",
)
_OF_INVOICE_UNEXPLAINED = Advice(
    "dispute",
    "Ask {provider} what its invoice holds beyond its lines",
    "Look first whether reports of all days and accounts are imported, and all invoices of the "
    "month entered.",
)


def advice_of(cause: Cause, key: CellKey) -> Advice:
    """Return what to do about a cause; of an invoice as a whole, which no call can mend."""
    if key.token_class != TokenClass.INVOICE_TOTAL:
        return ADVICE[cause]
    return _OF_INVOICE_UNEXPLAINED if cause is Cause.UNEXPLAINED else _OF_INVOICE


def where_text(key: CellKey) -> str:
    """Return where something has to change: the key, project and model as far as they are told."""
    parts = [f"key {key.api_key}"] if key.api_key else []
    if key.scope is not None:
        parts.append(f"project {key.scope}" if key.scope else "the default project")
    if not parts and key.model:
        parts.append(key.model)
    return f"{key.provider}, {', '.join(parts)}" if parts else key.provider
