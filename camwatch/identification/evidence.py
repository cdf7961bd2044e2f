"""Which faces count, and the sums that are kept of them.

Size, pose and sharpness are separate gates, because each failure has its own name in the event of a visit that was
never decided, and because no single quality score predicts a failed search well enough to be a gate.
"""

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from camwatch.geometry import fractions
from camwatch.identification.gallery import unit
from camwatch.records import Detection, Embedding, Face, Observation, Picture, Quality, UsedFace

SMALLEST = 30.0
"""Pixels of box height below which embeddings are noise: nobody is ever named from there down."""


KEPT_FACES = 8
"""Usable faces whose chips and embeddings are kept, to account for the decision."""
SAME_ROUGHLY = 0.4
"""Below this cosine to a mean a face that is turned away or blurred is another person's, as one is below `SAME_FACE`.

Higher than that, because poor faces resemble everybody: strangers' profiles in compressed video were at .2 to .49 of a
mean that the person's own half profiles were above .5 of."""
SAME_PERSON = 0.55
"""From this cosine on two faces are one person where nothing else says so: far apart, too small, or a second unseen.

About 1 pair of strangers in 1000 is as alike; the same person minutes and views apart was at .69 to .73.
"""


class Fault(StrEnum):
    """Why a face says nothing of who it is."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED_AWAY = "turned_away"


@dataclass(frozen=True, slots=True)
class Gates:
    """The least a face must be to count.

    Attributes:
        min_height: Box height in pixels; less than 30 counts as 30.
        min_confidence: The detector's face probability.
        max_turn, min_sharpness: See `Quality`. The pose gate is mild: from about 0.5 on the far eye is hidden. The
            sharpness gate lies under every face that was found usable, down to 40 pixels of strong JPEG; below it
            smeared faces were seen at .60 of a wrong person.
        strong_height, strong_turn, strong_sharpness: What a face must be to speak for a stranger. It has to be more,
            since a poor picture of an enrolled person is unlike the person too.
    """

    min_height: float = 40.0
    min_confidence: float = 0.9
    max_turn: float = 0.5
    min_sharpness: float = 6.0
    strong_height: float = 40.0
    strong_turn: float = 0.35
    strong_sharpness: float = 10.0

    def fault(self, face: Face) -> Fault | None:
        """What is wrong with a face, None where it may be pooled, or might be had it not been skipped."""
        poor = self.poor(face.detection, face.quality)
        if poor is None and face.embedding is None and not face.skipped:
            return Fault.BLURRED
        return poor

    def poor(self, detection: Detection, quality: Quality) -> Fault | None:
        """What is wrong with a face as far as that can be told without its embedding."""
        if quality.height < max(self.min_height, SMALLEST):
            return Fault.TOO_SMALL
        if quality.turn >= self.max_turn:
            return Fault.TURNED_AWAY
        if quality.sharpness < self.min_sharpness or detection.confidence < self.min_confidence:
            return Fault.BLURRED
        return None

    def weak(self, quality: Quality) -> Fault | None:
        """Why a face without fault may still not speak for `unknown`, None where it may."""
        if quality.height < self.strong_height:
            return Fault.TOO_SMALL
        if quality.turn >= self.strong_turn:
            return Fault.TURNED_AWAY
        return Fault.BLURRED if quality.sharpness < self.strong_sharpness else None


class Pool:
    """The mean of unit embeddings, as a sum: its size does not depend on how many there were."""

    __slots__ = ("_mean", "_sum", "count")

    def __init__(self) -> None:
        """Start empty."""
        self._sum: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
        self._mean: Embedding | None = None  # computed when asked for
        self.count = 0

    def add(self, embedding: Embedding) -> None:
        """Add one embedding, (512,) float32, unit length."""
        self._sum = embedding.astype(np.float64) if self._sum is None else self._sum + embedding
        self._mean = None
        self.count += 1

    def merge(self, other: "Pool") -> None:
        """Add all of another pool."""
        if other._sum is not None:
            self._sum = other._sum.copy() if self._sum is None else self._sum + other._sum
            self._mean = None
            self.count += other.count

    @property
    def mean(self) -> Embedding | None:
        """(512,) float32, unit length; None while empty."""
        if self._mean is None and self._sum is not None:
            self._mean = unit(self._sum)
        return self._mean


@dataclass(slots=True, eq=False)
class Evidence:
    """What is known of one person before one camera: sums, and a few of the faces to account for them.

    Attributes:
        first_seen, last_seen: UTC seconds of the first and the last face.
        box: The last face, in fractions of the picture.
        pool: Mean of the usable faces' embeddings.
        rough: Mean of the embeddings of large enough faces that were turned away or blurred; never searched with,
            only to tell that someone else has come.
        seen: All faces.
        first_used, last_used: UTC seconds of the first and last usable face, None while there is none.
        last_sure: UTC seconds of the last face that is certainly this person's: a usable one, or one that looks like
            the pool, or a skipped one that `vouched` speaks for. None while there is no usable face.
        vouched: Number of the follower whose last embedded face was certainly this person's: the skipped ones after it
            are too, since a follower goes on only where that is certain.
        skipped: How many faces had no embedding because none was needed.
        poor: How many faces were turned away or blurred, but large enough.
        faults: How many of the other faces failed by which gate.
        strong: Usable faces that may speak for `unknown`.
        weak: How many of the usable faces, or of those that would have been, may not, and why.
        quality, chip: Score and crop of the best face; one with a crop before one without, a usable one before any
            other.
        kept: At most eight of the usable faces, spread over time, rather the better ones.
    """

    first_seen: float
    last_seen: float
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    pool: Pool = field(default_factory=Pool)
    rough: Pool = field(default_factory=Pool)
    seen: int = 0
    skipped: int = 0
    poor: int = 0
    strong: int = 0
    vouched: int | None = None
    first_used: float | None = None
    last_used: float | None = None
    last_sure: float | None = None
    faults: Counter[Fault] = field(default_factory=Counter)
    weak: Counter[Fault] = field(default_factory=Counter)
    quality: float = 0.0
    chip: Picture | None = None
    kept: list[UsedFace] = field(default_factory=list)
    _rank: tuple[bool, bool, float] = (False, False, -1.0)

    @property
    def used(self) -> int:
        """Usable faces."""
        return self.pool.count

    @property
    def span(self) -> float:
        """Seconds between the first and the last usable face."""
        return 0.0 if self.first_used is None or self.last_used is None else self.last_used - self.first_used

    @property
    def sure(self) -> bool:
        """Whether there is a usable face: only then does likeness to it prove anything."""
        return self.pool.count > 0

    @property
    def last_there(self) -> float:
        """Until when the person was there, UTC seconds: a face that could be anybody's does not prolong it.

        Where no face is usable it could always be anybody; then it is the last face.
        """
        return self.last_seen if self.last_sure is None else self.last_sure

    @property
    def looks(self) -> Embedding | None:
        """The usable faces' mean, else the rough one, else None."""
        return self.pool.mean if self.sure else self.rough.mean

    def add(self, face: Face, observation: Observation, now: float, gates: Gates) -> Fault | None:
        """Count one face seen at `now`, and pool it if it has no fault; returns the fault."""
        self.last_seen = max(self.last_seen, now)
        self.box = fractions(face.detection.box, observation.width, observation.height)
        self.seen += 1
        self.skipped += face.skipped
        fault = gates.fault(face)
        if fault is not None:
            self.faults[fault] += 1
            self.poor += fault is not Fault.TOO_SMALL and (face.skipped or face.embedding is not None)
        else:
            weakness = gates.weak(face.quality)
            if weakness is not None:
                self.weak[weakness] += 1
        if face.skipped:
            sure = self.vouches(face)
        elif fault is not None:
            sure = self._resembles(face, fault)
            if fault is not Fault.TOO_SMALL and face.embedding is not None:
                self.rough.add(face.embedding)
        else:
            sure = True
            self._pool(face, now, gates)
        if sure:
            self.last_sure = now
        self.vouched = face.follow if sure else None
        rank = (face.chip is not None, fault is None, face.quality.score)
        if rank > self._rank:
            self._rank, self.quality, self.chip = rank, face.quality.score, face.chip
        return fault

    def vouches(self, face: Face) -> bool:
        """Whether a skipped face is certainly this person's: its follower was, when it was last embedded."""
        return face.skipped and face.follow is not None and face.follow == self.vouched

    def _pool(self, face: Face, now: float, gates: Gates) -> None:
        if face.embedding is None:
            return
        self.pool.add(face.embedding)
        self._keep(UsedFace(now, face.quality, face.chip, face.embedding))
        self.strong += gates.weak(face.quality) is None
        self.first_used = now if self.first_used is None else self.first_used
        self.last_used = now

    def _keep(self, face: UsedFace) -> None:
        """Keep a face; where there are too many, one that its neighbours in time can stand for goes, or a poor one."""
        insort(self.kept, face, key=lambda one: one.seen)
        if len(self.kept) > KEPT_FACES:
            inner = range(1, KEPT_FACES)
            spans = [self.kept[at + 1].seen - self.kept[at - 1].seen for at in inner]
            del self.kept[min(inner, key=lambda at: spans[at - 1] * self.kept[at].quality.score)]

    def _resembles(self, face: Face, fault: Fault) -> bool:
        """Whether a face that cannot be pooled looks like those that are."""
        mean = self.pool.mean
        if mean is None or face.embedding is None:
            return False
        return float(face.embedding @ mean) >= (SAME_PERSON if fault is Fault.TOO_SMALL else SAME_ROUGHLY)

    def merge(self, other: "Evidence") -> None:
        """Take over all that another one knows."""
        if other.last_there >= self.last_there:
            self.vouched = other.vouched
        if other.last_seen >= self.last_seen:
            self.last_seen, self.box = other.last_seen, other.box
        self.first_seen = min(self.first_seen, other.first_seen)
        self.pool.merge(other.pool)
        for face in other.kept:
            self._keep(face)
        self.rough.merge(other.rough)
        self.seen += other.seen
        self.skipped += other.skipped
        self.poor += other.poor
        self.strong += other.strong
        self.faults.update(other.faults)
        self.weak.update(other.weak)
        used = [time for time in (self.first_used, other.first_used) if time is not None]
        self.first_used = min(used, default=None)
        used = [time for time in (self.last_used, other.last_used) if time is not None]
        self.last_used = max(used, default=None)
        sure = [time for time in (self.last_sure, other.last_sure) if time is not None]
        self.last_sure = max(sure, default=None)
        if other._rank > self._rank:
            self._rank, self.quality, self.chip = other._rank, other.quality, other.chip
