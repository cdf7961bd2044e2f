"""Which face of this frame is which face of the frames before: one tracker for each camera.

Assignment by the Hungarian method (Kuhn 1955, as `scipy.optimize.linear_sum_assignment`) over a cost of likeness and
distance. Likeness weighs more, so two people who cross keep their own tracks; distance decides where a face has no
usable embedding. All lifetimes are seconds of captured time, whatever the frame rate.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from camwatch.geometry import center_distance, iou
from camwatch.identification.evidence import SAME_PERSON, SAME_ROUGHLY, Evidence, Fault, Gates
from camwatch.records import Box, Detection, Embedding, Face, Observation

SAME_FACE = 0.35
"""Below this cosine to the track's mean a face is another person, wherever it is: a scene cut carries no name over."""
SAME_SETTLED = 0.45
"""In place of `SAME_FACE` once there are 5 usable faces, whose mean is a better likeness than a face or two.

Between pictures of different people 3 % are at .35 and more, 0.6 % at .45; of 430 faces in video none was below .56 of
the mean of the 5 or more before it."""
_SETTLED = 5
_CLOSE_IN_TIME = 1.0  # seconds; later on a position is worth little
_REACH, _SPEED, _FARTHEST = 0.75, 6.0, 4.0  # face heights: at once, more for each second, at most
STANDING = 1.0
"""Face heights: so far from its last place may a face be that only its place speaks for, after a second unseen."""
GROWTH = 2.0
"""A face does not change its height by more than this factor where only its place speaks for it."""
_DOUBLE = 0.45  # IoU from which on two boxes of one frame are one face found twice
_FORBIDDEN = 1e6
_NEUTRAL = 0.5  # the likeness of what cannot be compared


@dataclass(slots=True, eq=False)
class Track:
    """One face followed through the frames of a camera.

    Attributes:
        number: 1, 2, 3 in the order in which the tracker found them.
        box: Where it was last, in pixels.
        follow: Number of its last face's follower, None where it has none or goes on with a later track.
        evidence: What all its faces say together.
    """

    number: int
    box: Box
    evidence: Evidence
    follow: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A face of the latest frame with the track it belongs to.

    `usable` where it went into the track's pool; `certain` there, and where it was skipped but would have been.
    """

    track: Track
    face: Face
    usable: bool
    certain: bool


class Tracker:
    """Follows the faces of one camera.

    Args:
        gates: Which faces may be pooled.
        lifetime: Seconds for which a track outlives its last face.
        most: So many faces of a frame are followed at most, the largest; twice as many tracks are kept, the latest.
    """

    def __init__(self, gates: Gates, *, lifetime: float, most: int = 32) -> None:
        """Start with no track."""
        self._gates = gates
        self._lifetime = lifetime
        self._most = most
        self._tracks: list[Track] = []
        self._count = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks that may still go on."""
        return tuple(self._tracks)

    def change(self, gates: Gates, *, lifetime: float) -> None:
        """Go on by other rules; tracks stay."""
        self._gates, self._lifetime = gates, lifetime

    def forget(self, numbers: Set[int]) -> None:
        """Forget some tracks, with all that they know; a face of theirs that is seen again begins a new one."""
        self._tracks = [track for track in self._tracks if track.number not in numbers]

    def clear(self) -> None:
        """Forget all tracks; numbers go on."""
        self._tracks.clear()

    def expire(self, now: float) -> None:
        """Forget the tracks whose last face is older than their lifetime."""
        self._tracks = [track for track in self._tracks if now - track.evidence.last_seen <= self._lifetime]

    def update(self, observation: Observation, now: float) -> list[Sighting]:
        """Give each face of a frame to a track of its own, an old one or a new one.

        Args:
            observation: The frame's faces.
            now: Its time in UTC seconds, never earlier than that of the call before.
        """
        self.expire(now)
        faces = self._chosen(observation.faces)
        tracks = self._assign(faces, now)
        sightings = []
        for face, known in zip(faces, tracks, strict=True):
            track = self._begin(face, now) if known is None else known
            track.box = face.detection.box
            self._hand_over(face.follow, track)
            certain = track.evidence.add(face, observation, now, self._gates) is None
            usable = certain and not face.skipped
            sightings.append(Sighting(track, face, usable, usable or (certain and track.evidence.vouches(face))))
        if len(self._tracks) > 2 * self._most:
            self._tracks = sorted(self._tracks, key=lambda one: one.evidence.last_seen)[-2 * self._most :]
        return sightings

    def _chosen(self, faces: Sequence[Face]) -> list[Face]:
        """The largest faces without a second box on the same face, the surer box staying."""
        kept = [faces[index] for index in single([face.detection for face in faces])]
        kept = [replace(face, embedding=None) if _is_broken(face.embedding) else face for face in kept]
        return sorted(kept, key=lambda one: -one.detection.box.height)[: self._most]

    def _hand_over(self, follow: int | None, track: Track) -> None:
        """A follower's skipped faces go on with the track that had its last face."""
        for other in self._tracks:
            if other.follow == follow:
                other.follow = None
        track.follow = follow

    def _begin(self, face: Face, now: float) -> Track:
        self._count += 1
        track = Track(self._count, face.detection.box, Evidence(now, now))
        self._tracks.append(track)
        return track

    def _assign(self, faces: Sequence[Face], now: float) -> list[Track | None]:
        """The old track of each face, None where it has none."""
        result: list[Track | None] = [None] * len(faces)
        if not faces or not self._tracks:
            return result
        looks = [track.evidence.looks for track in self._tracks]
        cost = np.full((len(faces), len(self._tracks)), _FORBIDDEN)
        for row, face in enumerate(faces):
            fault = self._gates.fault(face)
            for column, track in enumerate(self._tracks):
                cost[row, column] = _cost(face, fault, track, looks[column], now)
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < _FORBIDDEN:
                result[row] = self._tracks[column]
        return result


def single(detections: Sequence[Detection]) -> list[int]:
    """Numbers of the detections without second boxes on the same face, the surer boxes staying; the surest first."""
    kept: list[int] = []
    for number in sorted(range(len(detections)), key=lambda one: -detections[one].confidence):
        if all(iou(detections[number].box, detections[other].box) < _DOUBLE for other in kept):
            kept.append(number)
    return kept


def same_size(box: Box, other: Box) -> bool:
    """Whether two boxes may be one face, by their heights."""
    return 1 / GROWTH < max(box.height, 1.0) / max(other.height, 1.0) < GROWTH


def same_face(evidence: Evidence) -> float:
    """Below this cosine to the pool the next face is another person's."""
    return SAME_SETTLED if evidence.used >= _SETTLED else SAME_FACE


def _is_broken(embedding: Embedding | None) -> bool:
    """Whether an embedding is not finite or not of unit length: it would spoil every mean that it enters."""
    if embedding is None:
        return False
    with np.errstate(all="ignore"):
        return not 0.9 < float(embedding @ embedding) < 1.1


def _cost(face: Face, fault: Fault | None, track: Track, looks: Embedding | None, now: float) -> float:
    """How unlikely a face continues a track: about 0 to 2, `_FORBIDDEN` where it cannot."""
    if face.skipped:
        return 0.0 if face.follow is not None and face.follow == track.follow else _FORBIDDEN
    elapsed = now - track.evidence.last_seen
    distance = center_distance(face.detection.box, track.box)
    share = min(distance / min(_REACH + _SPEED * elapsed, _FARTHEST), 1.0)
    soon = elapsed <= _CLOSE_IN_TIME
    near = share < 1.0 if soon else distance <= STANDING
    alike = None
    if face.embedding is not None and looks is not None and fault is not Fault.TOO_SMALL:
        alike = float(face.embedding @ looks)
    if alike is not None and fault is None and track.evidence.sure:
        least = same_face(track.evidence) if soon and near else SAME_PERSON
        return 1.0 - alike + share / 2 if alike >= least else _FORBIDDEN
    grown = not same_size(face.detection.box, track.box)
    if not near or grown or (alike is not None and alike < SAME_ROUGHLY):
        return _FORBIDDEN
    return 1.0 - (_NEUTRAL if alike is None else (alike + _NEUTRAL) / 2) + share / 2
