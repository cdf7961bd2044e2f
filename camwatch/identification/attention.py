"""Which faces are worth an embedding, told before any is computed: one `Attention` for all cameras of a process.

An embedding costs more than finding the faces of a whole frame, and the tenth of one face at rest tells nothing new. So
faces are followed by place and rough looks alone. A follower goes on only where that is certain; wherever it is not,
a new one begins, and whoever begins is embedded at once. What a follower's faces say, and when that is enough, is
decided elsewhere (`VisitTracker.settled`) and told by `settle`. Where that comes late or never, more is embedded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from camwatch.geometry import center_distance, iou
from camwatch.identification.evidence import Gates
from camwatch.identification.tracker import single
from camwatch.records import Box, Choice, Frame, Glimpse, Settled

NAMED_EVERY = 4.0
"""Seconds after which a face with a name is looked at again."""
UNKNOWN_EVERY = 2.0
"""The same for a face that was called unknown: a name may still come."""
OPEN_EVERY = 1.0
"""The same for a face that stays undecided though `ENOUGH` of it were embedded, and for one too poor to be pooled."""
ENOUGH = 16
"""Good faces after which more of the same do not decide sooner: from here on no rule asks for more, see `Rule`."""
BETTER = 0.1
"""A face whose quality is better by this much than the best one embedded is worth a look before its time."""
POOR_FIRST = 2
"""Of so many faces of a follower the poor ones are embedded too: a visit begins with two."""

_GAP = 1.5  # seconds unseen, after which a place is worth little; a frame a second is still followed
_OVERLAP, _GROWTH, _ALIKE = 0.5, 1.25, 0.75  # IoU, ratio of heights, correlation of sketches: the least of a follower
_REACH = 1.0  # face heights within which a face may be the one that was seen before
_APART = 0.4  # face heights by which anybody else must be farther away than the face itself
_SHOWN_BETTER = 0.02
_MOST = 64  # followers of one camera


@dataclass(slots=True, eq=False)
class _Follower:
    number: int
    box: Box
    sketch: NDArray[np.float32]
    seen: float
    used: int = 0
    strong: int = 0
    poor: int = 0  # as `used` and `strong`: how many were embedded since it was last settled
    embedded: float = 0.0
    best: float = -1.0  # quality of the best one embedded
    shown: float = -1.0  # and of the best one with a chip


@dataclass(slots=True, eq=False)
class _Camera:
    followers: list[_Follower] = field(default_factory=list)
    settled: Settled = field(default_factory=Settled)


class Attention:
    """Chooses the faces that are worth an embedding.

    Threads may share it: each camera's frames are chosen from by one at a time, and any may call `settle`.

    Args:
        gates: Which faces may be pooled, by camera; `Gates()` for any other.
        first: Number of the first follower. Numbers of two lives of a process must not be the same.
    """

    def __init__(self, gates: Mapping[str, Gates] | None = None, *, first: int = 1) -> None:
        """Follow nobody yet."""
        self._gates = dict(gates or {})
        self._numbers = count(first)
        self._cameras: dict[str, _Camera] = {}

    def settle(self, camera: str, settled: Settled) -> None:
        """Be told of whom enough is known; holds until told otherwise. Numbers that are not known are passed over."""
        self._cameras.setdefault(camera, _Camera()).settled = settled

    def forget(self, cameras: Iterable[str]) -> None:
        """What was chosen for these cameras may not have been done: begin anew."""
        for camera in cameras:
            self._cameras.pop(camera, None)

    def choose(self, frame: Frame, glimpses: Sequence[Glimpse]) -> list[Choice]:
        """What to do with each face of a frame; those of one camera come in the order of capture.

        A second box on one face is left alone: the tracker leaves it out too.
        """
        now, camera = frame.captured_at, self._cameras.setdefault(frame.camera, _Camera())
        gates = self._gates.get(frame.camera, Gates())
        choices = [Choice(None, embed=False)] * len(glimpses)
        faces = single([glimpse.detection for glimpse in glimpses])
        followers = self._follow([glimpses[face] for face in faces], camera, now)
        for face, follower in zip(faces, followers, strict=True):
            choices[face] = _choice(follower, glimpses[face], gates, camera.settled, now)
        return choices

    def _follow(self, faces: Sequence[Glimpse], camera: _Camera, now: float) -> list[_Follower]:
        """The follower of each face: the one that it certainly goes on with, or a new one."""
        recent = [one for one in camera.followers if 0.0 < now - one.seen <= _GAP]
        distance = np.array([[center_distance(face.detection.box, one.box) for one in recent] for face in faces])
        known: dict[int, _Follower] = {}
        for row, face in enumerate(faces):
            for column, follower in enumerate(recent):
                if _is_same(face, follower) and _is_apart(distance, row, column):
                    known[row] = follower
        left = [one for one in recent if one not in known.values()]
        for row, face in enumerate(faces):
            if row not in known:
                # A face takes the place of the nearest follower that has none. If there are more of them than faces,
                # somebody may be hidden, and comes out again beside or instead of the one who is seen.
                near = [one for one in left if center_distance(face.detection.box, one.box) < _REACH]
                if near:
                    left.remove(min(near, key=lambda one: center_distance(face.detection.box, one.box)))
                known[row] = _Follower(next(self._numbers), face.detection.box, face.sketch, now)
            one = known[row]
            one.box, one.sketch, one.seen = face.detection.box, face.sketch, now
        camera.followers = [*left, *known.values()][-_MOST:]
        return [known[row] for row in range(len(faces))]


def _is_same(face: Glimpse, follower: _Follower) -> bool:
    """Whether a face goes on with a follower, as far as the two of them can tell."""
    box = face.detection.box
    growth = max(box.height, 1.0) / max(follower.box.height, 1.0)
    if iou(box, follower.box) < _OVERLAP or not 1 / _GROWTH < growth < _GROWTH:
        return False
    return float(face.sketch @ follower.sketch) >= _ALIKE


def _is_apart(distance: NDArray[np.float64], face: int, follower: int) -> bool:
    """Whether nobody else is near: no other face at the follower's last place, no other follower at the face's."""
    faces, followers = np.delete(distance[:, follower], face), np.delete(distance[face], follower)
    nearest = min(faces.min(initial=np.inf), followers.min(initial=np.inf))
    return bool(nearest >= distance[face, follower] + _APART)


def _choice(follower: _Follower, glimpse: Glimpse, gates: Gates, settled: Settled, now: float) -> Choice:
    score, poor = glimpse.quality.score, gates.poor(glimpse.detection, glimpse.quality) is not None
    strong = not poor and gates.weak(glimpse.quality) is None
    every = _interval(follower.number, settled)
    if every is not None:
        follower.used = follower.strong = follower.poor = 0  # should it be open again, somebody else has come
        wanted = False
    elif poor:
        wanted = follower.used + follower.poor < POOR_FIRST
    else:
        wanted = (follower.strong if strong else follower.used) < ENOUGH
    better = not poor and score > follower.best + BETTER
    if wanted or better or now - follower.embedded >= (every or OPEN_EVERY):
        follower.embedded = now
        follower.poor += poor
        follower.used += not poor
        follower.strong += strong
        if not poor:
            follower.best, follower.shown = max(follower.best, score), max(follower.shown, score)
        return Choice(follower.number, embed=True)
    show = not poor and score > follower.shown + _SHOWN_BETTER
    if show:
        follower.shown = score
    return Choice(follower.number, embed=False, show=show)


def _interval(number: int, settled: Settled) -> float | None:
    """Seconds from look to look at a face that is settled, None for one that is not."""
    if number in settled.named:
        return NAMED_EVERY
    return UNKNOWN_EVERY if number in settled.unknown else None
