"""One visit: its evidence, its state, the events that tell of it, and the facts that are shown."""

import uuid
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Self

from camwatch.geometry import center_distance
from camwatch.identification.evidence import SAME_ROUGHLY, Evidence
from camwatch.identification.tracker import STANDING, Sighting, Track, same_face, same_size
from camwatch.records import Account, Box, Event, EventType, Identification

_NAMESPACE = uuid.UUID("6f0e0f5e-6f1b-5d0a-9d5b-0c9f3b7a6c1e")


@dataclass(slots=True, eq=False)
class Visit:
    """A visit that has not ended.

    Attributes:
        id: Stable and unique: the same for the same observations.
        box: Its last face, in pixels.
        beside: Open visits that had a usable face in one frame with it: certainly other people, and never joined.
        seq: How many events have told of it.
        person: The name, once it has got one.
        barred: Names it cannot get: somebody who stood beside it had them.
        unknown: Whether an event has called it unknown.
        found: The last search with its pooled embedding, None before the first usable face.
        ignored: The name is of somebody of whom nothing is to be told.
        final: Its latest decision is the one at its end.
    """

    id: str
    camera: str
    box: Box
    evidence: Evidence
    beside: set[Self] = field(default_factory=set)
    seq: int = 0
    person: str | None = None
    barred: set[str] = field(default_factory=set)
    unknown: bool = False
    found: Identification | None = None
    ignored: bool = False
    final: bool = False

    @property
    def public(self) -> bool:
        """Whether an event has told of it."""
        return self.seq > 0

    @property
    def score(self) -> float:
        """The similarity to the best person in the latest search, -1 where there was none."""
        return -1.0 if self.found is None or self.found.best is None else self.found.best.score

    @property
    def taken(self) -> set[str]:
        """The names of others: `barred`, and those of the visits beside it."""
        return self.barred | {other.person for other in self.beside if other.person is not None}

    def event(
        self,
        kind: EventType,
        *,
        now: float,
        moment: float | None,
        threshold: float,
        false_alarm_rate: float | None,
        account: Account,
        reason: str | None = None,
        untold: Set[str] = frozenset(),
    ) -> Event:
        """The next event of this visit.

        Args:
            kind: What it says.
            now: UTC seconds of the decision.
            moment: The monotonic time of the frame that decided, None where no frame did.
            threshold: The cosine in force.
            false_alarm_rate: The rate it was made for, None where the user set it.
            account: Why.
            reason: Why it ends without a decision, None where there was one.
            untold: People of whom nothing is to be told.
        """
        self.seq += 1
        found, evidence = self.found, self.evidence
        second = None if found is None else found.runner_up
        return Event(
            event_type=kind,
            event_id=str(uuid.uuid5(uuid.UUID(self.id), str(self.seq))),
            visit_id=self.id,
            seq=self.seq,
            camera=self.camera,
            person=None if self.ignored else self.person,
            score=found.best.score if found is not None and found.best is not None and not self.ignored else None,
            threshold=threshold,
            false_alarm_rate=false_alarm_rate,
            runner_up=None if second is None or self.ignored or second.person in untold else second,
            faces_used=evidence.used,
            faces_seen=evidence.seen,
            quality=evidence.quality,
            box=evidence.box,
            first_seen=evidence.first_seen,
            last_seen=evidence.last_seen,
            decided_at=max(now, evidence.last_seen),
            captured_monotonic=moment,
            reason=reason,
            chip=None if self.ignored else evidence.chip,
            account=account,
        )


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is before a camera: the facts behind its state topic.

    Attributes:
        camera: Its name.
        present: Names of the recognized visits that have not ended, in alphabetical order.
        unknown_count: Visits that are `unknown` and have not ended.
        visits: All visits that have not ended, undecided ones too.
        last_person: Who was recognized last, None before the first.
        last_seen: UTC seconds of that person's last face.
        seen: The last face of everybody recognized here so far and still enrolled, by name.
    """

    camera: str
    present: tuple[str, ...]
    unknown_count: int
    visits: int
    last_person: str | None
    last_seen: float | None
    seen: dict[str, float]


@dataclass(frozen=True, slots=True)
class Followed:
    """A face of the latest frame and what its visit is so far, for drawing.

    Attributes:
        track: The same number for the same face in following frames.
        box: In pixels.
        person: The visit's name, None while it has none.
        unknown: Whether the visit was called unknown and has got no name since.
        score: The visit's similarity to the best person, None before the first usable face.
    """

    track: int
    box: Box
    person: str | None
    unknown: bool
    score: float | None


def visit_id(node: str, camera: str, first_seen: float, ordinal: int) -> str:
    """A name-based UUID (RFC 9562, version 5), so that a recording replayed gives the same ids."""
    return str(uuid.uuid5(_NAMESPACE, f"{node}/{camera}/{first_seen:.6f}/{ordinal}"))


def alike(one: Evidence, other: Evidence) -> float | None:
    """Cosine of two pooled embeddings, None where one has no usable face."""
    mean, against = one.pool.mean, other.pool.mean
    return None if mean is None or against is None else float(mean @ against)


def may_continue(track: Track, visit: Visit) -> bool:
    """Whether a track may go on with a visit without proof: same place, same size, and not the looks of another."""
    if center_distance(track.box, visit.box) > STANDING or not same_size(track.box, visit.box):
        return False
    looks, against = track.evidence.looks, visit.evidence.looks
    return looks is None or against is None or float(looks @ against) >= SAME_ROUGHLY


def strayed(sighting: Sighting, visit: Visit) -> bool:
    """Whether a track's first usable face shows another person; so far only its place had spoken for this visit."""
    mean = visit.evidence.pool.mean
    if not sighting.usable or sighting.track.evidence.used > 1 or mean is None:
        return False
    return sighting.face.embedding is not None and float(sighting.face.embedding @ mean) < same_face(visit.evidence)
