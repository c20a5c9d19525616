"""What users say of lines, applied when lines are read: mappings, scopes, exchange rates.

Nothing of it is baked into stored lines, so a new mapping or rate helps old imports at once, and
taking one back takes back all it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.line import InvoiceLine, TokenClass
from spanledger_analytics.invoices.money import ExchangeRates
from spanledger_analytics.invoices.reports import plain_provider
from spanledger_analytics.price_book.own import plain_tier
from spanledger_storage.invoice_state import InvoiceState, MappingRow
from spanledger_storage.price_state import PriceState, StateEngine

METER_ID = "meter_id"
"""Name in ``InvoiceLine.extra`` of a meter's or SKU's id, which mappings may name as well."""
DIMENSION = "dimension"
"""Name in ``InvoiceLine.extra`` of the dimension a scope or key is mapped to: ``team=search``."""
LINE_FIELDS = ("token_class", "model", "processing", "service_tier", "unit", "factor")
SCOPE_FIELDS = ("project", "dimension")
NOT_MAPPED_TO = frozenset({TokenClass.UNMAPPED, TokenClass.INVOICE_TOTAL})
"""Classes that no mapping of a text names."""
_LONGEST = 500


class Mappings:
    """The mappings of one project, ready to be asked."""

    def __init__(self, rows: Iterable[MappingRow] = ()) -> None:
        self._exact: dict[tuple[str, str], Mapping[str, str]] = {}
        self._prefixes: list[tuple[str, str, Mapping[str, str]]] = []
        self._scopes: dict[tuple[str, str, str], Mapping[str, str]] = {}
        for row in rows:
            provider = plain_provider(row.provider)
            if row.kind != "line":
                self._scopes[row.kind, provider, row.pattern] = row.target
            elif row.pattern.endswith("*"):
                self._prefixes.append((provider, _folded(row.pattern[:-1]), row.target))
            else:
                self._exact[provider, _folded(row.pattern)] = row.target
        self._prefixes.sort(key=lambda one: -len(one[1]))
        self._targets: dict[tuple[str, str, str], Mapping[str, str] | None] = {}

    def line_target(self, provider: str, text: str, meter_id: str) -> Mapping[str, str] | None:
        """Return what a text, or else a meter id, is mapped to; the longest prefix wins."""
        key = provider, text, meter_id
        if key not in self._targets:
            self._targets[key] = self._find(plain_provider(provider), text, meter_id)
        return self._targets[key]

    def scope_target(self, line: InvoiceLine) -> Mapping[str, str]:
        """Return what a line's key, or else its scope, is mapped to; empty: nothing."""
        if not self._scopes:
            return {}
        provider = plain_provider(line.provider)
        for kind, value in (("api_key", line.api_key), ("scope", line.scope)):
            found = None if value is None else self._scopes.get((kind, provider, value))
            if found is not None:
                return found
        return {}

    @property
    def moves_lines(self) -> bool:
        """Whether lines of some scope or key count in another project."""
        return any("project" in target for target in self._scopes.values())

    def applied(self, line: InvoiceLine) -> InvoiceLine:
        """Return a line as its mapping says; as it is without one."""
        target = self.line_target(line.provider, line.description, line.extra.get(METER_ID, ""))
        if target is not None:
            line = _mapped(line, target)
        dimension = self.scope_target(line).get("dimension", "")
        return replace(line, extra={**line.extra, DIMENSION: dimension}) if dimension else line

    def _find(self, provider: str, text: str, meter_id: str) -> Mapping[str, str] | None:
        for name in (meter_id, text):
            if name and (found := self._exact.get((provider, _folded(name)))) is not None:
                return found
        folded = _folded(text)
        for whose, prefix, target in self._prefixes:
            if whose == provider and text and folded.startswith(prefix):
                return target
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is applied to the lines of a project when they are read.

    Attributes:
        mappings: by the project lines were imported into: this one, and those that give it scopes.
        rates: for amounts in other currencies.
    """

    mappings: Mapping[str, Mappings] = field(default_factory=dict[str, Mappings])
    rates: ExchangeRates = field(default_factory=ExchangeRates)

    def places(self, project: str) -> Sequence[str]:
        """Return the projects whose imports may hold lines of this one; itself first."""
        return [project, *sorted(name for name in self.mappings if name != project)]

    def read(self, line: InvoiceLine, place: str, project: str) -> InvoiceLine | None:
        """Return a line of ``place`` as it counts in ``project``; None: it counts elsewhere."""
        mappings = self.mappings.get(place)
        owner = place
        if mappings is not None:
            owner = mappings.scope_target(line).get("project") or place
            line = mappings.applied(line) if owner == project else line
        if owner != project:
            return None
        if line.amount is not None and line.amount_usd is None:
            usd = self.rates.usd(line.amount, line.currency, line.day)
            line = replace(line, amount_usd=usd)
        return line


def rules_of(state: StateEngine, project: str) -> Rules:
    """Return what users said that bears on the lines of a project."""
    invoices = InvoiceState(state)
    mappings = {project: Mappings(invoices.mappings(project))}
    for place in {row.project for row in invoices.scopes_into(project)}:
        mappings[place] = Mappings(invoices.mappings(place))
    return Rules(mappings, ExchangeRates(PriceState(state).exchange_rates()))


def checked_mapping(row: MappingRow) -> MappingRow:
    """Return a mapping as it is stored.

    Raises:
        InvoiceError: it cannot be; says what, and what is allowed.
    """
    row = replace(row, provider=row.provider.strip().lower(), pattern=row.pattern.strip())
    if not row.provider or not row.pattern or max(len(row.provider), len(row.pattern)) > _LONGEST:
        raise InvoiceError(
            f"A mapping needs a provider and a text, meter id, scope or key of up to {_LONGEST} "
            "characters."
        )
    target = {name: value.strip() for name, value in row.target.items() if value.strip()}
    allowed = LINE_FIELDS if row.kind == "line" else SCOPE_FIELDS
    if not target or not set(target) <= set(allowed):
        raise InvoiceError(f"A mapping of this kind says one or more of {', '.join(allowed)}.")
    if row.kind == "line":
        _check_line(target)
    elif "=" not in target.get("dimension", "="):
        raise InvoiceError("A dimension is written NAME=VALUE, as in team=search.")
    return replace(row, target=target)


def _check_line(target: Mapping[str, str]) -> None:
    classes = [one.value for one in TokenClass if one not in NOT_MAPPED_TO]
    if target.get("token_class", classes[0]) not in classes:
        raise InvoiceError(
            f"{target['token_class'][:40]!r} is no class; there are {', '.join(classes)}."
        )
    if target.get("processing", "sync") not in ("sync", "batch"):
        raise InvoiceError("processing is sync or batch.")
    try:
        factor = Decimal(target.get("factor", "1"))
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or not 0 < factor <= Decimal("1e12"):
        raise InvoiceError(
            f"The factor is what quantities are multiplied by, as in 1000, not "
            f"{target['factor'][:40]!r}."
        )


def _mapped(line: InvoiceLine, target: Mapping[str, str]) -> InvoiceLine:
    quantity = line.quantity
    if quantity is not None and "factor" in target:
        quantity *= Decimal(target["factor"])
    tier = target.get("service_tier")
    return replace(
        line,
        token_class=TokenClass(target.get("token_class") or line.token_class),
        model=target.get("model") or line.model,
        processing=target.get("processing") or line.processing,
        # A mapping writes the standard tier as its name; a line has it as "".
        service_tier=line.service_tier if tier is None else plain_tier(tier),
        unit=target.get("unit") or line.unit,
        quantity=quantity,
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
