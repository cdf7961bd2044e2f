"""The data path on one page: frames are observed, observations are decided.

    frames --observe()--> observations --Decider.decide()--> events
              ^                                  |
              +--- Attention <--- settled -------+

The daemon runs the two halves in two processes, the tools run both in one; the path is the same.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from camwatch.identification.attention import Attention
from camwatch.identification.gallery import Gallery
from camwatch.identification.promise import promised
from camwatch.identification.recognizer import Limit, Recognizer
from camwatch.identification.visit import Followed, Presence
from camwatch.identification.visits import VisitTracker
from camwatch.records import CameraState, Event, Frame, Observation, Settled, Worth

_log = logging.getLogger(__name__)


class Analyzer(Protocol):
    """What finds and embeds faces: the engine's `FaceAnalyzer`, or `ScriptedAnalyzer` in its place."""

    def analyze(
        self, frames: Sequence[Frame], *, min_face: Mapping[str, int] | None = None, worth: Worth | None = None
    ) -> list[Observation]:
        """One observation for each frame, in the same order; `min_face` is by camera, `worth` chooses the faces."""


def observe(
    analyzer: Analyzer,
    frames: Sequence[Frame],
    *,
    min_face: Mapping[str, int] | None = None,
    attention: Attention | None = None,
) -> list[Observation]:
    """Find and embed the faces of frames, of any cameras, in one batch.

    Args:
        analyzer: Does the work.
        frames: In the order of capture, as far as they are of one camera.
        min_face: Smallest face in pixels, for cameras that have one of their own.
        attention: Chooses the faces that are worth an embedding; all are where None. It is to be told what the decider
            makes of them: `attention.settle(camera, decider.settled(camera))`.

    Returns:
        One observation for each frame, in the same order.
    """
    worth = None if attention is None else attention.choose
    return analyzer.analyze(frames, min_face=min_face, worth=worth) if frames else []


@dataclass(frozen=True, slots=True)
class CameraRules:
    """How one camera's visits are decided; see `VisitTracker` for the meaning."""

    visit_gap: float = 5.0
    threshold: float | None = None
    false_alarm_rate: float | None = None
    min_face: float = 40.0


class Decider:
    """Turns the observations of all cameras into events.

    Args:
        cameras: Rules by camera name.
        node: This machine's name; part of the ids of visits and events.
        recognizer: Who is enrolled; nobody where None, until `replace_recognizer`.
    """

    def __init__(self, cameras: Mapping[str, CameraRules], *, node: str, recognizer: Recognizer | None = None) -> None:
        """Start with nobody before any camera."""
        self._node = node
        self._recognizer = recognizer or Recognizer(Gallery([], ""))
        self._cameras: dict[str, VisitTracker] = {}
        self.change(cameras)

    def change(self, cameras: Mapping[str, CameraRules]) -> None:
        """Go on with these cameras and rules; visits go on, but for those of a camera that is no longer there.

        Flush such a camera before, or its open visits never end.
        """
        trackers, before = {}, {camera: tracker.limit for camera, tracker in self._cameras.items()}
        for camera, rules in cameras.items():
            tracker = self._cameras.get(camera)
            if tracker is None:
                trackers[camera] = VisitTracker(camera, self._recognizer, node=self._node, **asdict(rules))
            else:
                tracker.change(**asdict(rules))
                trackers[camera] = tracker
        self._cameras = trackers
        self._tell_limits(before)

    def decide(self, observation: Observation) -> list[Event]:
        """Take in one observation; those of one camera come in the order of capture.

        Raises:
            KeyError: It is of no camera that this decider was made for.
        """
        return self._cameras[observation.camera].observe(observation)

    def advance(self, camera: str, now: float) -> list[Event]:
        """End visits that are over, for a camera that sends nothing: see `VisitTracker.advance` on `now`, UTC."""
        return self._cameras[camera].advance(now)

    def excuse(self, camera: str, now: float) -> None:
        """Nothing could be seen by a camera until `now` (UTC), through a fault of ours: see `VisitTracker.excuse`."""
        self._cameras[camera].excuse(now)

    def flush(self, camera: str, now: float) -> list[Event]:
        """End all visits of a camera, which was switched off or is at the end of its recording."""
        return self._cameras[camera].flush(now)

    def forget(self, person: str, now: float) -> list[Event]:
        """End the open visits of a person, before all cameras; the events still name the person."""
        return [event for tracker in self._cameras.values() for event in tracker.forget(person, now)]

    def replace_recognizer(self, recognizer: Recognizer) -> None:
        """Decide by another gallery from the next face on, for all cameras; visits go on."""
        self._recognizer = recognizer
        for tracker in self._cameras.values():
            tracker.replace_recognizer(recognizer)
        self._tell_limits({})

    def _tell_limits(self, told: Mapping[str, Limit]) -> None:
        """Say what a name needs before cameras where that is not what was told, once there is anybody to be named."""
        for camera, tracker in self._cameras.items() if self._recognizer.gallery.people else ():
            if tracker.limit != told.get(camera, self._recognizer.limit()):
                said = promised(self._recognizer, tracker.limit)
                _log.info("%s: a name needs a similarity of %.2f%s", camera, tracker.limit.threshold, said)

    def settled(self, camera: str) -> Settled:
        """Whose faces need not be embedded for now: see `VisitTracker.settled`."""
        return self._cameras[camera].settled()

    def presence(self, camera: str) -> Presence:
        """Who is before one camera."""
        return self._cameras[camera].state()

    def faces(self, camera: str) -> list[Followed]:
        """The faces of a camera's latest frame with what is known of each, for drawing."""
        return self._cameras[camera].faces()

    def states(self) -> list[tuple[CameraState, Mapping[str, float], int]]:
        """For each camera its state, when each person was last seen there (UTC seconds), and how many visits are open.

        `analyzed_fps` and `dropped_frames` are 0: what became of frames is not known here.
        """
        return [_facts(tracker.state()) for tracker in self._cameras.values()]


def _facts(now: Presence) -> tuple[CameraState, Mapping[str, float], int]:
    state = CameraState(now.camera, now.present, now.unknown_count, now.last_person, now.last_seen, 0.0)
    return state, now.seen, now.visits
