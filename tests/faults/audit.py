"""What arrived against what was decided and what was to be seen. Pure.

The words of the table:

- An event is *decided* when it is on the daemon's disk. All of them must arrive, in their order for each camera.
- A *stay* is somebody before a camera. It was *visible* unless a fault that keeps its camera from being seen (of that
  camera, its server, inference, everything) was in effect within `GRACE` of it; a fault of the broker, a disk, the
  gallery or another camera hides nobody. Every visible stay must be part of a visit that was decided as it should be:
  with the right name, or `unknown`.
- *Expected* of a fault: the events that were put on disk while it was in effect, its recovery included, and the visible
  stays in that time that led to no decision, one event for each. *Arrived*: those of them that the subscriber got. So
  the two numbers differ where something was lost or missed. Where faults overlap, an event counts for each of them, but
  once only for each kind.
- *Duplicated*: further arrivals of these events under the same id. *Out of order*: those that arrived first after a
  later one of their camera.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

GRACE = 2.0
"""Seconds before and after a visit in which a fault may have disturbed it."""
FORGETS = 1.0
"""Seconds before it is killed in which a broker may have acknowledged what it had not saved yet."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An event as the daemon put it on disk, in its order there.

    `stored_at` and `acknowledged_at` are UTC seconds, the latter None while it waits; `source` tells daemons apart.
    """

    event_id: str
    visit_id: str
    event_type: str
    camera: str
    person: str | None
    stored_at: float = 0.0
    acknowledged_at: float | None = None
    source: int = 0


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody before a camera, UTC seconds; `person` is None for one who is not enrolled."""

    camera: str
    person: str | None
    begin: float
    end: float

    def touches(self, begin: float, end: float) -> bool:
        """Whether a span of time comes near it."""
        return begin < self.end + GRACE and end > self.begin - GRACE


@dataclass(frozen=True, slots=True)
class Named:
    """A decision as it arrived, `recognized` or `unknown`, and from when until when its visit was seen, UTC seconds."""

    camera: str
    person: str | None
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault in effect, its recovery included, UTC seconds; it hid these cameras."""

    kind: str
    begin: float
    end: float
    cameras: frozenset[str]


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that the audit looks at.

    Attributes:
        decided: What was on disk, in its order.
        arrived: What the subscriber got, in the order of arrival, repetitions included.
        named: The decisions among these.
        stays: What was to be seen.
        people: Who is before each camera, the only one; None for a stranger.
        troubles: Every fault.
        destroyed: Ids of events that were waiting in a database when it was damaged: they are kept aside, not sent.
        broker_killed: When the broker was killed, UTC seconds.
    """

    decided: Sequence[Decided]
    arrived: Sequence[Decided]
    named: Collection[Named]
    stays: Collection[Stay]
    people: Mapping[str, str | None]
    troubles: Collection[Trouble] = ()
    destroyed: Collection[str] = ()
    broker_killed: Collection[float] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one kind of fault."""

    expected: int
    arrived: int
    again: int
    disorder: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The result.

    Attributes:
        decided: Events that were on disk.
        arrived: Those of them that the subscriber got.
        lost: Ids of those that it did not get.
        forgotten: Ids of those that the broker had acknowledged within a second before it was killed, and forgot.
        destroyed: Ids of those that were in a damaged database.
        invented: Ids of events that arrived and were never on disk.
        again: Events that came more than once, under the same id.
        doubled: Pairs (visit, kind) that came under two ids.
        disorder: Events that arrived before an earlier one of their camera.
        wrong_names: Decisions with a name that nobody before that camera has.
        visible: Stays that no fault hid.
        missed: Those of them that led to no decision.
        rows: The same for each kind of fault.
    """

    decided: int
    arrived: int
    lost: tuple[str, ...]
    forgotten: tuple[str, ...]
    destroyed: tuple[str, ...]
    invented: tuple[str, ...]
    again: int
    doubled: tuple[tuple[str, str], ...]
    disorder: tuple[str, ...]
    wrong_names: tuple[Named, ...]
    visible: int
    missed: tuple[Stay, ...]
    rows: Mapping[str, Row]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, out of order or wrong."""
        return not (self.lost or self.invented or self.doubled or self.disorder or self.wrong_names)


def audit(found: Found) -> Audit:
    """Compare."""
    on_disk = {event.event_id: (position, event) for position, event in enumerate(found.decided)}
    counts = Counter(event.event_id for event in found.arrived)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in (*found.decided, *found.arrived):
        ids[event.visit_id, event.event_type].add(event.event_id)
    absent = [event for _, event in on_disk.values() if event.event_id not in counts]
    destroyed = tuple(event.event_id for event in absent if event.event_id in found.destroyed)
    forgotten = tuple(
        event.event_id
        for event in absent
        if event.event_id not in destroyed and _was_forgotten(event, found.broker_killed)
    )
    visible = [stay for stay in found.stays if not any(_hides(trouble, stay) for trouble in found.troubles)]
    missed = [stay for stay in visible if not any(_tells_of(one, stay) for one in found.named)]
    disorder = _disorder(found.arrived, on_disk)
    excused = {*destroyed, *forgotten}
    return Audit(
        decided=len(on_disk),
        arrived=sum(event_id in counts for event_id in on_disk),
        lost=tuple(event.event_id for event in absent if event.event_id not in excused),
        forgotten=forgotten,
        destroyed=destroyed,
        invented=tuple(event_id for event_id in counts if event_id not in on_disk),
        again=sum(count - 1 for count in counts.values()),
        doubled=tuple(key for key, same in ids.items() if len(same) > 1),
        disorder=disorder,
        wrong_names=tuple(one for one in found.named if one.person not in (None, found.people[one.camera])),
        visible=len(visible),
        missed=tuple(missed),
        rows=_rows(found, counts, missed, disorder),
    )


def _rows(found: Found, counts: Mapping[str, int], missed: Sequence[Stay], disorder: Collection[str]) -> dict[str, Row]:
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for trouble in found.troubles:
        spans[trouble.kind].append((trouble.begin, trouble.end))
    rows = {}
    for kind, times in spans.items():
        events = {e.event_id for e in found.decided if any(begin <= e.stored_at <= end for begin, end in times)}
        untold = sum(any(stay.touches(*span) for span in times) for stay in missed)
        rows[kind] = Row(
            expected=len(events) + untold,
            arrived=sum(event_id in counts for event_id in events),
            again=sum(max(counts.get(event_id, 0) - 1, 0) for event_id in events),
            disorder=len(events.intersection(disorder)),
        )
    return rows


def _disorder(arrived: Sequence[Decided], on_disk: Mapping[str, tuple[int, Decided]]) -> tuple[str, ...]:
    """Events whose first arrival was after that of a later one of the same camera and daemon."""
    latest: dict[tuple[int, str], int] = {}
    seen: set[str] = set()
    late = []
    for event in arrived:
        if event.event_id in seen or event.event_id not in on_disk:
            continue
        seen.add(event.event_id)
        position, stored = on_disk[event.event_id]
        line = stored.source, event.camera
        if position < latest.get(line, -1):
            late.append(event.event_id)
        latest[line] = max(position, latest.get(line, -1))
    return tuple(late)


def _was_forgotten(event: Decided, killed: Collection[float]) -> bool:
    return event.acknowledged_at is not None and any(
        moment - FORGETS <= event.acknowledged_at <= moment + FORGETS for moment in killed
    )


def _hides(trouble: Trouble, stay: Stay) -> bool:
    return stay.camera in trouble.cameras and stay.touches(trouble.begin, trouble.end)


def _tells_of(named: Named, stay: Stay) -> bool:
    """A visit may hold more than one stay: what was not watched because of a fault does not count as absence."""
    meets = named.first_seen <= stay.end and named.last_seen >= stay.begin
    return named.camera == stay.camera and meets and named.person == stay.person
