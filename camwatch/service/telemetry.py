"""The daemon's figures as main holds them: plain counters, kept over the lives of every child.

The main loop writes, the HTTP thread reads; one lock covers both. Labels come from the configuration only.
"""

import threading
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from camwatch.records import EventType
from camwatch.service.histogram import FRAMES, SCORES, SECONDS, Histogram
from camwatch.service.ring import FrameRing

STAGES = ("decode", "queue", "detect", "embed", "identify", "publish")
CAPPED = ("candidates", "faces")
"""What one picture can have too many of."""


@dataclass(slots=True)
class Lives:
    """A histogram that a child keeps from zero in each of its lives; the sum over all lives only ever grows."""

    bounds: tuple[float, ...] = SECONDS
    past: Histogram = field(init=False)
    present: Histogram = field(init=False)

    def __post_init__(self) -> None:
        """Begin empty."""
        self.past, self.present = Histogram(self.bounds), Histogram(self.bounds)

    def report(self, values: list[float]) -> None:
        """Take what the child reports: cumulative since it was started."""
        self.present = Histogram.from_list(values, self.bounds)

    def end_life(self) -> None:
        """The child died: what it reported last is kept."""
        self.past, self.present = self.past.add(self.present), Histogram(self.bounds)

    def total(self) -> Histogram:
        """Over all lives."""
        return self.past.add(self.present)


@dataclass(slots=True)
class LivesTally:
    """Counts that a child keeps from zero in each of its lives, as `Lives` does for histograms."""

    past: Tally[str] = field(default_factory=Tally)
    present: Tally[str] = field(default_factory=Tally)

    def report(self, counts: Mapping[str, int]) -> None:
        """Take what the child reports: since it was started."""
        self.present = Tally(counts)

    def end_life(self) -> None:
        """The child died: what it reported last is kept."""
        self.past, self.present = self.past + self.present, Tally()

    def total(self) -> Tally[str]:
        """Over all lives."""
        return self.past + self.present


@dataclass(slots=True)
class CameraFigures:
    """What is counted for one camera."""

    ring: FrameRing
    up: bool = False
    enabled: bool = False
    reconnects: Tally[str] = field(default_factory=Tally)
    faces: Tally[str] = field(default_factory=Tally)
    events: Tally[str] = field(default_factory=Tally)
    visits_active: int = 0


class Telemetry:
    """All figures of the daemon. Use the attributes within `with telemetry.lock:` or through the methods."""

    def __init__(self, rings: Mapping[str, FrameRing]) -> None:
        """Begin at zero for these cameras."""
        self._lock = threading.Lock()
        self.cameras = {camera: CameraFigures(ring) for camera, ring in rings.items()}
        self.stages = {stage: Histogram() for stage in ("identify", "publish")}
        self.child_stages: dict[tuple[str, str], Lives] = {}
        self.batches = Lives(FRAMES)
        self.capped = LivesTally()
        # from 0 on, as the counters: of a series that begins at 1, `increase` does not see the first one
        self.event_latency = {kind.value: Histogram() for kind in EventType}
        self.scores = {kind.value: Histogram(SCORES) for kind in (EventType.RECOGNIZED, EventType.UNKNOWN)}
        self.restarts: Tally[str] = Tally()
        self.gallery_people = 0
        self.gallery_photos = 0
        self.threshold = 0.0
        self.mqtt_connected = False
        self.outbox_events = 0
        self.outbox_oldest = 0.0
        self.config_taken = True

    def watch(self, rings: Mapping[str, FrameRing]) -> None:
        """These are the cameras now: new ones begin at zero, the figures of those that left are dropped."""
        with self._lock:
            self.cameras = {camera: self.cameras.get(camera) or CameraFigures(ring) for camera, ring in rings.items()}

    @contextmanager
    def locked(self) -> Iterator["Telemetry"]:
        """The figures, for reading or writing several at once."""
        with self._lock:
            yield self

    def child_stage(self, child: str, stage: str, values: list[float]) -> None:
        """A child's histogram of a stage."""
        with self._lock:
            self.child_stages.setdefault((child, stage), Lives()).report(values)

    def batch_frames(self, values: list[float]) -> None:
        """The inference process's histogram of batch sizes."""
        with self._lock:
            self.batches.report(values)

    def capped_so_far(self, counts: Mapping[str, int]) -> None:
        """What the inference process left out, by `CAPPED`."""
        with self._lock:
            self.capped.report(counts)

    def config_read(self, *, taken: bool) -> None:
        """The configuration was read again, and taken over or not."""
        with self._lock:
            self.config_taken = taken

    def restarted(self, child: str) -> None:
        """A child died unasked and will be started again."""
        with self._lock:
            self.restarts[child.split()[0]] += 1

    def end_life(self, child: str) -> None:
        """A child has ended, asked to or not: its next life counts from zero."""
        with self._lock:
            for (name, _), lives in self.child_stages.items():
                if name == child:
                    lives.end_life()
            if child == "inference":
                self.batches.end_life()
                self.capped.end_life()

    def latency(self, event_type: str, seconds: float) -> None:
        """From a frame's capture to the broker's acknowledgement of the event it decided."""
        with self._lock:
            self.event_latency[event_type].observe(seconds)

    def score(self, outcome: str, value: float) -> None:
        """The similarity of a decided visit to its best person."""
        with self._lock:
            self.scores[outcome].observe(value)

    def stage_totals(self) -> dict[str, Histogram]:
        """Every stage over all processes and lives. Call while locked."""
        totals = {stage: self.stages.get(stage, Histogram()) for stage in STAGES}
        for (_, stage), lives in self.child_stages.items():
            totals[stage] = totals[stage].add(lives.total())
        return totals
