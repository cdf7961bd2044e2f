"""What a run gave, as a table for people."""

import statistics
from collections import defaultdict
from dataclasses import dataclass

from tests.faults.audit import Audit, Row
from tests.faults.fault import Injected

ALLOWED = 15.0
"""Seconds that a recovery may take."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave.

    Attributes:
        injected: Every fault in order.
        audited: What the auditor found.
        left: Processes and files that were there after the end and should not be, and other complaints.
        log: Of the daemon.
    """

    injected: tuple[Injected, ...]
    audited: Audit
    left: tuple[str, ...]
    log: str

    @property
    def slow(self) -> list[Injected]:
        """Faults from which the recovery took too long, or never came."""
        return [one for one in self.injected if one.recovered is None or one.recovered > ALLOWED]

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return self.audited.clean and not (self.audited.missed or self.slow or self.left)


def table(result: Result) -> str:
    """Markdown: a line for each kind of fault, and one sentence for the whole."""
    by_name: dict[str, list[Injected]] = defaultdict(list)
    for one in result.injected:
        by_name[one.fault.name].append(one)
    lines = [
        "| fault | times | events expected | arrived | duplicated | out of order | recovery, median s | worst s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, done in sorted(by_name.items()):
        row = result.audited.rows.get(name, Row(0, 0, 0, 0))
        events = f"{row.expected} | {row.arrived} | {row.again} | {row.disorder}"
        lines.append(f"| {name} | {len(done)} | {events} | {_recovery(done)} |")
    found = result.audited
    lines += [
        "",
        f"{len(result.injected)} faults. Events: {found.decided} decided, {found.arrived} arrived, {len(found.lost)} "
        f"lost, {len(found.invented)} never on disk, {found.again} repeated under the same id, {len(found.doubled)} "
        f"under two ids, {len(found.disorder)} out of order for a camera, {len(found.wrong_names)} wrong names; "
        f"{len(found.forgotten)} forgotten by a broker that was killed, {len(found.destroyed)} in a damaged database. "
        f"Visits that no fault hid: {found.visible}, without a decision {len(found.missed)}. Recoveries of more than "
        f"{ALLOWED:g} s: {len(result.slow)}. Left behind: {', '.join(result.left) or 'nothing'}.",
    ]
    return "\n".join(lines)


def _recovery(done: list[Injected]) -> str:
    """Median and worst; a recovery that never came is the worst."""
    times = [one.recovered for one in done if one.recovered is not None]
    median = f"{statistics.median(times):.1f}" if times else "-"
    never = len(done) - len(times)
    return f"{median} | {f'never ({never})' if never else f'{max(times):.1f}'}"
