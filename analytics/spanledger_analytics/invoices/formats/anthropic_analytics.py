"""What both reports of Anthropic's usage and cost analytics (beta) have in common."""

from __future__ import annotations

from spanledger_analytics.invoices.documents import Head
from spanledger_analytics.invoices.formats import anthropic_names as names
from spanledger_analytics.invoices.formats.form import About, told_extra
from spanledger_analytics.invoices.line import Dataset
from spanledger_analytics.invoices.values import Record

_EXTRA = (
    "actor_type", "agent_id", "deployment_id", "environment_id", "organization_id", "product",
    "session_id", "slack_channel_id", "user_profile_id", "cost_type", "token_type",
)  # fmt: skip


def has_items(head: Head, what: str) -> bool:
    """Return whether the first page has items with a group and what they tell."""
    data = head.first.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return head.kind == "json" and isinstance(first, dict) and {"group", what} <= first.keys()


def about_item(item: Record, number: int, dataset: Dataset) -> About:
    """Return what the lines of an item have in common.

    A dimension that is in the group and null is "none"; one that is not in it is not told.
    """
    group = item.part("group")
    if "rbac_group_id" in group.values:
        raise group.wrong(
            "rbac_group_id", "overlaps with other groups, so amounts would count twice"
        )
    processing, tier = names.tier(group.told("service_tier"), group.told("speed"))
    first, last = item.days("starting_at", "ending_at")
    by = frozenset(group.values)
    return About(
        day=first, last_day=last, dataset=dataset, provider=names.PROVIDER, line_number=number,
        scope=names.told(group, "workspace_id", by), api_key=names.told(group, "api_key_id", by),
        user=group.told("actor"), model=group.told("model"), reported_model=group.text("model"),
        processing=processing, service_tier=tier, context=group.told("context_window"),
        geo=names.geo_of(group.told("inference_geo")), extra=told_extra(group, _EXTRA),
    )  # fmt: skip
