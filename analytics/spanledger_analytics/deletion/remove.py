"""The deletion itself: table by table, until nothing is left, and the old files are gone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa

from spanledger_analytics import _rows
from spanledger_analytics.deletion import subject as subjects
from spanledger_analytics.deletion.money import Money, read_money
from spanledger_analytics.deletion.rows import (
    COLUMNS,
    CONDITIONS,
    IS,
    KEPT,
    MEMBERS,
    NAMED,
    TABLES,
    TARGETS,
)
from spanledger_analytics.deletion.subject import Subject, Targets
from spanledger_analytics.touches import DELETED, REPRICING
from spanledger_analytics.usage import recompute_usage
from spanledger_storage.errors import StoreError
from spanledger_storage.messages import STORED_AGAIN_AFTER_S
from spanledger_storage.store import Store

_UNKNOWN_TABLE = 60
_ROUNDS = 5
_STEP_S = 2  # another process may still write what it had read before
_ON_THEIR_WAY_S = 120  # a message is stored before the span that refers to it
_REFERRED_WITHIN_S = STORED_AGAIN_AFTER_S + 10  # and a batch on its way takes some seconds
_SETTLED_S = 600  # nobody's clock is off by more, and no batch is under way for longer
_OLD_PARTS_S = 1_200  # eight minutes of old_parts_lifetime, and the engine's pauses between


class Result(NamedTuple):
    """Rows found and left, by table, and dollars that left the ledger or stay under pseudonyms."""

    traces: int
    found: dict[str, int]
    left: dict[str, int]
    gone_usd: Decimal
    kept_usd: Decimal
    recounted_usd: Decimal = Decimal(0)
    """What left besides, because usage that only metrics tell of was counted anew."""


class Deletion:
    """One deletion. Interrupted, it can be made and run again, and goes on.

    Args:
        store: The telemetry store.
        subject: What to delete.
        keep_cost: Keep ledger entries under pseudonyms, so that totals stay.
        now_ns: The clock, UTC nanoseconds.
        sleep: Waits for some seconds.
        await_job: Waits until the ledger job has handled everything up to a touch (UTC
            microseconds), where one runs; it may raise, and the deletion goes on when run again.
        recount: Counts usage that only metrics tell of anew, around UTC start hours (UNIX
            seconds); returns the hours in which it changed.
    """

    def __init__(
        self,
        store: Store,
        subject: Subject,
        *,
        keep_cost: bool,
        now_ns: Callable[[], int],
        sleep: Callable[[float], None],
        await_job: Callable[[int], None] = lambda _: None,
        recount: Callable[[Collection[int]], Collection[int]] = lambda _: (),
    ) -> None:
        self._store = store
        self._subject = subject
        self._keep_cost = keep_cost
        self._now_ns = now_ns
        self._sleep = sleep
        self._await_job = await_job
        self._recount = recount

    def plan(self) -> tuple[Targets, Result]:
        """Return what would go; reads only.

        Raises:
            StoreError: the store refused or did not answer.
        """
        targets = self._targets()
        money = read_money(self._store, self._project, targets, keep_cost=self._keep_cost)
        found = self._count(targets)
        return targets, _result(targets, found, found, money)

    def run(self) -> tuple[Targets, Result]:
        """Delete, and count what is left.

        1. Find everything, and put the ids into the table of targets.
        2. With ``keep_cost``, write entries anew under pseudonyms.
        3. Remove rows from every table, and ids of the traces from what names several; again, while
           a job may still write what it had read.
        4. Let the jobs count anew what other traces shared, derive the trajectories anew that the
           traces were part of, and sum the hours again.

        The old files are still there: see :meth:`await_files`.

        Raises:
            StoreError: the store refused or did not answer; running again goes on from there.
        """
        self._store.command("deletion_create_targets")
        targets = self._targets()
        key = self._key() if self._keep_cost else None
        found = self._count(targets)
        money = read_money(self._store, self._project, targets, keep_cost=self._keep_cost, key=key)
        targets.hours.update(money.hours)
        targets.partners.update(money.partners)
        self._insert(targets.by_what())  # an interrupted run will not find it again
        # Also those that an interrupted run has removed already.
        has_series = bool(targets.series or self._known("series"))
        left = found
        for _ in range(_ROUNDS):
            self._remove_rows(targets)
            self._forget_evidence(targets)
            self._await_job(self._mark())
            self._sleep(_STEP_S)
            left = self._count(targets)
            if not any(left.values()):
                break
        recounted = self._count_metrics(targets) if has_series else Decimal(0)
        self._let_others_follow(targets)
        return targets, _result(targets, found, left, money)._replace(recounted_usd=recounted)

    def await_files(self, say: Callable[[str], None]) -> int:
        """Wait until the files of replaced parts are gone from the disk; return how many are left.

        The engine keeps replaced files for eight minutes, against a loss of power.
        """
        params = {"tables": list(TABLES), "since": self._now_ns() // 10**9}
        parts, before = 0, -1
        for waited_s in range(0, _OLD_PARTS_S, 2):
            [row] = self._store.rows("deletion_old_parts", params)
            parts = int(str(row["parts"]))
            if not parts:
                return 0
            if parts != before and waited_s % 30 == 0:
                say(f"{parts} replaced parts are still on the disk ({row['bytes']} bytes) ...")
                before = parts
            self._sleep(2)
        return parts

    def forget(self) -> None:
        """Drop the ids and the key of the pseudonyms: the deletion is complete."""
        digest = self._subject.digest
        sql = f"ALTER TABLE deletion_targets DELETE WHERE deletion = '{digest}'"
        self._store.execute(sql, {"mutations_sync": 1})
        [row] = self._store.sql_rows("SELECT count() AS n FROM deletion_targets")
        if not row["n"]:
            self._store.execute("DROP TABLE deletion_targets SYNC")

    @property
    def _project(self) -> str:
        return self._subject.project.name

    def _targets(self) -> Targets:
        """Return what is found now, and what an interrupted run found before it removed it."""
        targets = subjects.find(self._store, self._subject, self._known("trace"))
        uses, newest_s = subjects.uses_of(self._store, self._project, targets.traces)
        return replace(
            targets,
            messages=sorted({*uses, *self._known("candidate")}),
            newest_s=max(newest_s, *map(int, self._known("newest")), 0),
            hours=targets.hours | set(map(int, self._known("hour"))),
            partners=targets.partners | set(self._known("partner")),
            mates=targets.mates | set(self._known("mate")),
        )

    def _known(self, what: str) -> list[str]:
        """Return ids that an earlier, interrupted run found."""
        sql = "SELECT id FROM deletion_targets WHERE deletion = {d:String} AND what = {w:String}"
        try:
            rows = self._store.sql_rows(sql, {"d": self._subject.digest, "w": what})
        except StoreError as error:
            if error.code == _UNKNOWN_TABLE:
                return []
            raise
        return [str(row["id"]) for row in rows]

    def _key(self) -> bytes:
        """Return the key of the pseudonyms: the one an interrupted run used, else a new one."""
        known = self._known("key")
        key = known[0] if known else secrets.token_hex(32)
        if not known:
            self._insert({"key": [key]})
        return bytes.fromhex(key)

    def _insert(self, ids: Mapping[str, list[str]]) -> None:
        pairs = [(what, one) for what, found in ids.items() for one in found]
        rows = pa.table(
            {
                "deletion": [self._subject.digest] * len(pairs),
                "what": [what for what, _ in pairs],
                "id": [one for _, one in pairs],
            }
        )
        if pairs:
            self._store.insert("deletion_targets", rows, token=secrets.token_hex(8))

    def _mark(self) -> int:
        """Touch this hour, in which nothing changed; return when (UTC microseconds).

        The job handles touches one after the other: once it has handled this one, it has written
        whatever it had derived from rows that are gone now.
        """
        flush_id = f"deletion-{secrets.token_hex(8)}"
        self._touch([("", self._now_ns() // _rows.HOUR_NS * 3_600)], flush_id)
        sql = (
            "SELECT max(toUnixTimestamp64Micro(touched_at)) AS us FROM touches"
            " WHERE flush_id = {flush_id:String}"
        )
        [row] = self._store.sql_rows(sql, {"flush_id": flush_id})
        return int(str(row["us"]))

    def _remove_rows(self, targets: Targets) -> None:
        until_s = max(targets.newest_s, self._now_ns() // 10**9 - _ON_THEIR_WAY_S)
        params = {
            "project": self._project,
            "deletion": self._subject.digest,
            "until_s": until_s,
        }
        for table, condition in CONDITIONS.items():
            if table == "messages":
                self._await_references(targets)
                self._choose_messages(targets)
            if not self._count_of(table, targets):
                continue  # rewriting is dear, also where it changes nothing
            sql = f"ALTER TABLE {table} DELETE {IS} {condition} SETTINGS mutations_sync = 2"
            self._store.execute(sql, params=params)

    def _await_references(self, targets: Targets) -> None:
        """Wait until spans that refer to the messages without bringing them along are there."""
        age_s = self._now_ns() // 10**9 - targets.newest_s
        if targets.messages and age_s < _SETTLED_S:
            self._sleep(_REFERRED_WITHIN_S)

    def _choose_messages(self, targets: Targets) -> None:
        """Put the messages among the targets that no span refers to any more."""
        known = set(self._known("message"))
        unused = subjects.unreferenced(self._store, self._project, targets)
        self._insert({"message": [one for one in unused if one not in known]})

    def _count(self, targets: Targets) -> dict[str, int]:
        """Return how many rows of each table are about the targets."""
        named = {
            f"evidence in {table}": self._count_in(table, column, targets.traces)
            for table, column in NAMED.items()
        }
        return {table: self._count_of(table, targets) for table in CONDITIONS} | named

    def _count_of(self, table: str, targets: Targets) -> int:
        if table == "messages":
            unused = subjects.unreferenced(self._store, self._project, targets)
            return self._count_in(table, "lower(hex(hash))", unused)
        ids = targets.by_what()
        columns = COLUMNS[table]
        return sum(self._count_in(table, column, ids[what]) for column, what in columns)

    def _count_in(self, table: str, column: str, ids: list[str]) -> int:
        total = 0
        for part in _rows.batches(ids):
            params = {"project": self._project, "ids": _rows.Literal(part)}
            which = f"{column} IN {{ids:Array(String)}}"
            if column in (MEMBERS, *NAMED.values()):
                which = f"hasAny({column}, {{ids:Array(String)}})"
            sql = f"SELECT count() AS n FROM {table} {IS} {which}"
            total += int(str(self._store.sql_rows(sql, params)[0]["n"]))
        return total

    def _count_metrics(self, targets: Targets) -> Decimal:
        """Count usage anew of which some series are gone; return how many dollars left with them.

        Where no session is named, one entry is the sum of the series of several users.
        """
        hours = sorted(targets.hours)
        before = self._metric_usd(hours)
        targets.hours.update(self._recount(hours))
        return before - self._metric_usd(hours)

    def _metric_usd(self, hours: list[int]) -> Decimal:
        sql = (
            "SELECT sum(total_cost_usd) AS usd FROM ledger FINAL"
            f" {IS} toStartOfHour(time) BETWEEN toDateTime({{from_s:Int64}}, 'UTC')"
            " AND toDateTime({to_s:Int64}, 'UTC')"
            " AND trace_id = '' AND usage_source = 'metric' AND is_deleted = 0"
        )
        near = {"from_s": max(0, hours[0] - 3_600), "to_s": hours[-1] + 3_600} if hours else None
        if near is None:
            return Decimal(0)
        [row] = self._store.sql_rows(sql, {"project": self._project, **near})
        return Decimal(str(row["usd"] or 0))

    def _let_others_follow(self, targets: Targets) -> None:
        """Take the deleted spans out of others' entries, have those derived again, sum hours."""
        self._forget_sources(targets)
        now_ns = self._now_ns()
        [row] = self._store.rows("deletion_usage_version", {"project": self._project})
        version = max(now_ns, int(str(row["newest"])) + 1)
        hours = sorted(hour for hour in targets.hours if 0 <= hour < 2**32)
        for some in _rows.batches(hours):
            asked = {"project": self._project, "hours": list(some)}
            self._store.command("deletion_usage_by_user", asked)
        recompute_usage(self._store, [(self._project, hour) for hour in hours], version)
        shared: set[tuple[str, int]] = set()
        for part in _rows.batches(sorted(targets.partners | targets.mates)):
            params = {"project": self._project, "trace_ids": _rows.Literal(part)}
            table = self._store.arrow("ledger_trace_hours", params)
            names = _rows.strings(table, "trace_id")
            shared.update(zip(names, _rows.integers(table, "hour"), strict=True))
        self._touch(sorted(shared), f"deletion-{now_ns}")
        if not self._keep_cost:  # which leaves the sums as they were
            self._touch([("", hour) for hour in hours], f"{REPRICING}{version}")
        self._touch([("", hour) for hour in hours], f"{DELETED}{version}")

    def _forget_sources(self, targets: Targets) -> None:
        if not targets.partners:
            return
        inside = f"s -> s.1 IN {TARGETS}'trace')"
        sql = (
            f"ALTER TABLE ledger UPDATE source_spans = arrayFilter(s -> NOT ({inside[5:]}),"
            f" source_spans) {IS} arrayExists({inside}, source_spans) SETTINGS mutations_sync = 2"
        )
        self._store.execute(
            sql, params={"project": self._project, "deletion": self._subject.digest}
        )

    def _forget_evidence(self, targets: Targets) -> None:
        """Take the deleted traces out of what names several."""
        params = {"project": self._project, "deletion": self._subject.digest}
        for table, named in NAMED.items():
            if not self._count_in(table, named, targets.traces):
                continue  # rewriting is dear, also where it changes nothing
            self._store.execute(
                f"ALTER TABLE {table} UPDATE {KEPT[table]} {IS}"
                f" arrayExists(t -> t IN {TARGETS}'trace'), {named}) SETTINGS mutations_sync = 2",
                params=params,
            )

    def _touch(self, pairs: list[tuple[str, int]], flush_id: str) -> None:
        rows = pa.table(
            {
                "project": [self._project] * len(pairs),
                "trace_id": [trace for trace, _ in pairs],
                "hour": pa.array([hour for _, hour in pairs], pa.uint32()),
                "flush_id": [flush_id] * len(pairs),
                "spans": pa.array([0] * len(pairs), pa.uint32()),
            }
        )
        if pairs:
            self._store.insert("touches", rows, token=flush_id)


def _result(targets: Targets, found: dict[str, int], left: dict[str, int], money: Money) -> Result:
    return Result(len(targets.traces), found, left, money.gone_usd, money.kept_usd)
