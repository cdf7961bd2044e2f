"""Made-up people before a made-up camera: embeddings with a chosen likeness, faces, observations."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.scripted import ScriptedAnalyzer
from camwatch.identification.attention import Attention
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.records import (
    Box,
    Detection,
    Embedding,
    Enrolled,
    Event,
    EventType,
    Face,
    Frame,
    Observation,
    Picture,
    Quality,
    Settled,
)

START = 1_700_000_000.0
GOOD = Quality(height=100.0, sharpness=120.0, turn=0.05, score=0.9)


def unit(vector: NDArray[np.float64]) -> Embedding:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def person(number: int) -> Embedding:
    """A direction of its own for each number; any two are nearly at right angles."""
    return unit(np.random.default_rng(number).standard_normal(512))


def like(who: Embedding, cosine: float, seed: int) -> Embedding:
    """An embedding of exactly this cosine to `who`, in a random direction otherwise."""
    noise = np.random.default_rng(seed + 10_000).standard_normal(512)
    noise -= (noise @ who) * who
    return unit(cosine * who + np.sqrt(1 - cosine**2) * unit(noise))


def box(x: float = 300.0, y: float = 200.0, height: float = 100.0) -> Box:
    """A face box by its centre."""
    return Box(x - 0.4 * height, y - 0.5 * height, x + 0.4 * height, y + 0.5 * height)


def face(
    embedding: Embedding | None,
    *,
    x: float = 300.0,
    y: float = 200.0,
    height: float = 100.0,
    sharpness: float = 120.0,
    turn: float = 0.05,
    score: float = 0.9,
    confidence: float = 0.99,
    chip: Picture | None = None,
) -> Face:
    place = box(x, y, height)
    landmarks = ((x - 15, y - 15), (x + 15, y - 15), (x, y), (x - 12, y + 20), (x + 12, y + 20))
    return Face(Detection(place, landmarks, confidence), Quality(height, sharpness, turn, score), chip, embedding)


def frame(seconds: float, *faces: Face, camera: str = "door", seq: int = 0) -> Observation:
    """One observation, `seconds` after the start; the monotonic clock shows the same seconds."""
    return Observation(camera, seq, START + seconds, seconds, 640, 480, faces)


def stay(
    who: Embedding | None,
    *,
    begin: float = 0.0,
    seconds: float = 2.0,
    fps: float = 5.0,
    cosine: float = 0.85,
    **more: Any,
) -> list[Observation]:
    """One person alone before the camera; every face is `cosine` like `who`."""
    count = round(seconds * fps) + 1
    seen = []
    for number in range(count):
        time = begin + number / fps
        embedding = None if who is None else like(who, cosine, round(time * 1000))
        seen.append(frame(time, face(embedding, **more)))
    return seen


def together(*stays: Sequence[Observation]) -> list[Observation]:
    """Several people's observations as the one camera sees them."""
    faces: dict[float, list[Face]] = {}
    for observations in stays:
        for seen in observations:
            faces.setdefault(round(seen.captured_at - START, 6), []).extend(seen.faces)
    return [frame(time, *faces[time]) for time in sorted(faces)]


def empty(begin: float, end: float, fps: float = 5.0) -> list[Observation]:
    return [frame(begin + number / fps) for number in range(round((end - begin) * fps) + 1)]


def enrolled(**people: Embedding) -> list[Enrolled]:
    return [Enrolled(name, f"{name}/1.jpg", f"{name}-1", vector[None], GOOD) for name, vector in people.items()]


def recognizer(
    *,
    false_alarm_rate: float = 0.01,
    threshold: float | None = None,
    ignored: Set[str] = frozenset(),
    **people: Embedding,
) -> Recognizer:
    gallery = Gallery(enrolled(**people), "test")
    return Recognizer(gallery, false_alarm_rate=false_alarm_rate, threshold=threshold, ignored=ignored)


def play(tracker: VisitTracker, observations: Iterable[Observation]) -> list[Event]:
    return [event for observation in observations for event in tracker.observe(observation)]


def whole(tracker: VisitTracker, observations: Sequence[Observation]) -> list[Event]:
    """All events, with those of the end of the recording."""
    return play(tracker, observations) + tracker.flush(observations[-1].captured_at)


def attend(
    tracker: VisitTracker,
    observations: Sequence[Observation],
    *,
    attention: Attention | None = None,
    batch: int = 1,
    late: float = 0,
) -> tuple[list[Event], list[Observation]]:
    """The events where only those faces keep their embedding that `Attention` chose, and what the tracker got to see.

    All faces look the same by their sketch, so only their places tell them apart. `batch` frames are chosen from before
    the tracker sees the first, and what it says of them is told `late` batches later.
    """
    attention = attention or Attention()
    events: list[Event] = []
    seen: list[Observation] = []
    waiting: list[Settled] = []
    script = [replace(one, seq=seq) for seq, one in enumerate(observations)]
    analyzer, picture = ScriptedAnalyzer(script), np.zeros((480, 640, 3), np.uint8)
    for start in range(0, len(script), batch):
        frames = [
            Frame("door", one.seq, one.captured_at, one.monotonic, None, picture) for one in script[start:][:batch]
        ]
        part = analyzer.analyze(frames, worth=attention.choose)
        events += play(tracker, part)
        seen += part
        waiting.append(tracker.settled())
        if len(waiting) > late:
            attention.settle("door", waiting.pop(0))
    return events, seen


def attended(
    tracker: VisitTracker, observations: Sequence[Observation], *, batch: int = 1, late: float = 0
) -> tuple[list[Event], list[Observation]]:
    """The same with the events of the end of the recording."""
    events, seen = attend(tracker, observations, batch=batch, late=late)
    return events + tracker.flush(observations[-1].captured_at), seen


def embedded(seen: Iterable[Observation]) -> int:
    """How many faces were embedded."""
    return sum(not one.skipped for observation in seen for one in observation.faces)


def told(events: Iterable[Event]) -> list[tuple[str, str | None]]:
    """What each event says, in short."""
    return [(event.event_type.value, event.person) for event in events]


def check_contract(events: Sequence[Event]) -> None:
    """Whether a complete series of events keeps the promises made to subscribers."""
    assert len({event.event_id for event in events}) == len(events)
    visits: dict[str, list[Event]] = {}
    for event in events:
        visits.setdefault(event.visit_id, []).append(event)
    for of_visit in visits.values():
        kinds = [event.event_type for event in of_visit]
        assert [event.seq for event in of_visit] == list(range(1, len(kinds) + 1))
        assert kinds.count(EventType.ENDED) == 1 and kinds[-1] is EventType.ENDED
        assert kinds.count(EventType.RECOGNIZED) <= 1 and kinds.count(EventType.UNKNOWN) <= 1
        if EventType.UNKNOWN in kinds and EventType.RECOGNIZED in kinds:
            assert kinds.index(EventType.UNKNOWN) < kinds.index(EventType.RECOGNIZED)
        name = next((event.person for event in of_visit if event.event_type is EventType.RECOGNIZED), None)
        assert of_visit[-1].person == name
        assert (of_visit[-1].reason is None) == (len(kinds) > 1)
        for event in of_visit:
            assert (event.person is not None) == (
                event.event_type is EventType.RECOGNIZED or (event is of_visit[-1] and name is not None)
            )
            assert event.first_seen <= event.last_seen <= event.decided_at
            assert 0 <= event.faces_used <= event.faces_seen
            assert event.score is None or -1.001 <= event.score <= 1.001
            assert all(0.0 <= side <= 1.0 for side in event.box)
