"""What to write beside each face of a picture: who it is, as the events so far have said.

Events tell of visits, pictures show faces. What ties them together is the tracker: it is deterministic, so a second
one over the same observations follows the same faces, and an event's box is the box of the face that decided it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from camwatch.geometry import fractions
from camwatch.identification.evidence import Gates, Pool
from camwatch.identification.tracker import SAME_PERSON, Sighting, Tracker
from camwatch.records import Box, Event, EventType, Observation


class Standing(Enum):
    """What is known of a face."""

    OPEN = auto()
    NAMED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Label:
    """A face of a picture and what to write beside it; `track` is the same for one face in following pictures."""

    track: int
    box: Box
    standing: Standing
    text: str


@dataclass(slots=True)
class _Said:
    """What an event has said of a visit, and the mean of the faces that were taken for it."""

    standing: Standing
    text: str
    looks: Pool


UNDECIDED = "?"


class Labels:
    """Labels the faces of one camera's observations.

    Args:
        min_face: As the visits' own, pixels.
        visit_gap: As the visits' own, seconds.
    """

    def __init__(self, *, min_face: float, visit_gap: float = 5.0) -> None:
        """Before the first observation."""
        self._tracker = Tracker(Gates(min_height=min_face), lifetime=visit_gap)
        self._visits: dict[str, _Said] = {}
        self._visit_of: dict[int, str] = {}
        self._now: float | None = None

    def update(self, observation: Observation, events: Sequence[Event]) -> list[Label]:
        """Label the faces of the next observation.

        Args:
            observation: In the order of capture.
            events: What the visits said upon it.
        """
        now = observation.captured_at if self._now is None else max(observation.captured_at, self._now)
        self._now = now
        sightings = self._tracker.update(observation, now)
        for event in events:
            self._hear(event, sightings, observation)
        return [self._label(sighting) for sighting in sightings]

    def _hear(self, event: Event, sightings: Sequence[Sighting], observation: Observation) -> None:
        if event.event_type is EventType.ENDED:
            self._visits.pop(event.visit_id, None)
            self._visit_of = {track: visit for track, visit in self._visit_of.items() if visit != event.visit_id}
            return
        if event.event_type is EventType.UNKNOWN:
            said = _Said(Standing.UNKNOWN, "unknown", Pool())
        else:
            score = "" if event.score is None else f" {event.score:.2f}"
            said = _Said(Standing.NAMED, f"{event.person}{score}", Pool())
        for sighting in sightings:
            box = sighting.face.detection.box
            if fractions(box, observation.width, observation.height) == event.box:
                self._visits[event.visit_id] = said
                self._visit_of[sighting.track.number] = event.visit_id
                said.looks.merge(sighting.track.evidence.pool)

    def _label(self, sighting: Sighting) -> Label:
        track, box = sighting.track, sighting.face.detection.box
        visit = self._visit_of.get(track.number) or self._recall(sighting)
        if visit is None:
            return Label(track.number, box, Standing.OPEN, UNDECIDED)
        said = self._visits[visit]
        if sighting.usable and sighting.face.embedding is not None:
            said.looks.add(sighting.face.embedding)
        return Label(track.number, box, said.standing, said.text)

    def _recall(self, sighting: Sighting) -> str | None:
        """The visit that a new track goes on with, of which no event tells: one that looks the same."""
        mean = sighting.track.evidence.pool.mean
        if mean is None:
            return None
        scores = {
            visit: float(mean @ against)
            for visit, said in self._visits.items()
            if (against := said.looks.mean) is not None
        }
        best = max(scores, key=lambda visit: scores[visit], default=None)
        if best is None or scores[best] < SAME_PERSON:
            return None
        self._visit_of[sighting.track.number] = best
        return best
