"""What arrived against what was decided and what was to be seen. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

GRACE = 2.0
"""Seconds before and after a visit in which a fault may have disturbed it."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An event as the daemon put it on disk, in its order there."""

    event_id: str
    visit_id: str
    event_type: str
    camera: str
    person: str | None


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
    """A decision as it arrived: `recognized` or `unknown`."""

    camera: str
    person: str | None
    first_seen: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The result.

    Attributes:
        decided: Events that were on disk.
        arrived: Those of them that the subscriber got.
        lost: Ids of those that it did not get.
        invented: Ids of events that arrived and were never on disk.
        again: Events that came more than once, under the same id.
        doubled: Pairs (visit, kind) that came under two ids.
        disorder: Events that arrived before an earlier one of their camera.
        wrong_names: Decisions with a name that nobody before that camera has.
        undisturbed: Stays that no fault came near.
        missed: Those of them that led to no decision.
    """

    decided: int
    arrived: int
    lost: tuple[str, ...]
    invented: tuple[str, ...]
    again: int
    doubled: tuple[tuple[str, str], ...]
    disorder: tuple[str, ...]
    wrong_names: tuple[Named, ...]
    undisturbed: int
    missed: tuple[Stay, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, doubled, out of order or wrong."""
        return not (self.lost or self.invented or self.doubled or self.disorder or self.wrong_names)


def audit(
    decided: Sequence[Decided],
    arrived: Sequence[Decided],
    named: Collection[Named],
    stays: Collection[Stay],
    people: Mapping[str, str | None],
    faults: Collection[tuple[float, float]],
) -> Audit:
    """Compare.

    Args:
        decided: What was on disk, in its order.
        arrived: What the subscriber got, in the order of arrival, repetitions included.
        named: The decisions among these.
        stays: What was to be seen.
        people: Who is before each camera, the only one; None for a stranger.
        faults: From when until when each fault was in effect, its recovery included.
    """
    on_disk = {event.event_id: position for position, event in enumerate(decided)}
    counts = Counter(event.event_id for event in arrived)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for event in (*decided, *arrived):
        ids[event.visit_id, event.event_type].add(event.event_id)
    calm = [stay for stay in stays if not any(stay.touches(*span) for span in faults)]
    return Audit(
        decided=len(on_disk),
        arrived=sum(event_id in counts for event_id in on_disk),
        lost=tuple(event_id for event_id in on_disk if event_id not in counts),
        invented=tuple(event_id for event_id in counts if event_id not in on_disk),
        again=sum(count - 1 for count in counts.values()),
        doubled=tuple(key for key, found in ids.items() if len(found) > 1),
        disorder=_disorder(arrived, on_disk),
        wrong_names=tuple(one for one in named if one.person not in (None, people[one.camera])),
        undisturbed=len(calm),
        missed=tuple(stay for stay in calm if not any(_tells_of(one, stay) for one in named)),
    )


def _disorder(arrived: Sequence[Decided], on_disk: Mapping[str, int]) -> tuple[str, ...]:
    """Events whose first arrival was after that of a later one of the same camera."""
    latest: dict[str, int] = {}
    seen: set[str] = set()
    found = []
    for event in arrived:
        if event.event_id in seen or event.event_id not in on_disk:
            continue
        seen.add(event.event_id)
        position = on_disk[event.event_id]
        if position < latest.get(event.camera, -1):
            found.append(event.event_id)
        latest[event.camera] = max(position, latest.get(event.camera, -1))
    return tuple(found)


def _tells_of(named: Named, stay: Stay) -> bool:
    begins = stay.begin - GRACE <= named.first_seen <= stay.end + GRACE
    return named.camera == stay.camera and begins and named.person == stay.person
