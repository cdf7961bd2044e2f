"""What flows along the data path: small frozen records, no behaviour beyond trivial properties.

Units and orders used everywhere: boxes and landmarks in pixels of the full picture, x before y, origin at the
top left corner; pictures are uint8 RGB of shape (height, width, 3); times are UTC seconds since the epoch
(`captured_at`) and seconds of `time.monotonic()` (`monotonic`), both taken when the frame was captured.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(height, width, 3) uint8, RGB."""
Embedding = NDArray[np.float32]
"""(512,) float32, unit length."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; may leave the picture."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """Pixels from left to right."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.y2 - self.y1


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of one camera.

    `seq` counts the captured frames of a camera from 0; `pts` is the presentation time in seconds as the stream
    told it, None where it told none.
    """

    camera: str
    seq: int
    captured_at: float
    monotonic: float
    pts: float | None
    picture: Picture


Point = tuple[float, float]
Landmarks = tuple[Point, Point, Point, Point, Point]
"""Image-left eye, image-right eye, nose, image-left mouth corner, image-right mouth corner."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A face found in a picture; `confidence` is O-Net's face probability, 0..1."""

    box: Box
    landmarks: Landmarks
    confidence: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How usable a face is for identification.

    Attributes:
        height: Box height in pixels.
        sharpness: Variance of the Laplacian of the grey crop at 112 x 112.
        turn: |nose offset from the eye midpoint along the eye axis| / eye distance; 0 frontal, 0.4 half a profile.
        score: 0..1, one figure for people and for choosing the best face; not a gate.
    """

    height: float
    sharpness: float
    turn: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face with what was computed from it.

    Attributes:
        chip: The 160 x 160 RGB crop that the embedding is computed from; may be there without one.
        embedding: None where there is none.
        follow: Number of the face's follower, see `identification.attention`; None where nobody follows.
        skipped: There is no embedding because none was needed, not because none could be had.
    """

    detection: Detection
    quality: Quality
    chip: Picture | None
    embedding: Embedding | None
    follow: int | None = None
    skipped: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """A face before it is embedded.

    `sketch` is a coarse picture of it, (64,) float32, zero mean, unit length: the product of two is their correlation.
    """

    detection: Detection
    quality: Quality
    sketch: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done with a face.

    Attributes:
        follow: Number of its follower, None where nobody follows it.
        embed: It is worth an embedding.
        show: Where it is not: it is worth a chip all the same, to be shown.
    """

    follow: int | None
    embed: bool
    show: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """The followers of one camera of whom enough is known: those with a name, and those called unknown."""

    named: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()


Worth = Callable[[Frame, Sequence[Glimpse]], Sequence[Choice]]
"""Asked once for each frame, in order and before any face is embedded: what to do with each of its faces."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What was seen in one frame; it holds no full picture, so it crosses a process boundary cheaply."""

    camera: str
    seq: int
    captured_at: float
    monotonic: float
    width: int
    height: int
    faces: tuple[Face, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the gallery and the similarity to a probe (cosine, -1..1)."""

    person: str
    score: float


@dataclass(frozen=True, slots=True)
class Identification:
    """The answer to one search of the gallery.

    `person` is None where nobody reached the threshold; `best` and `runner_up` are the two most similar people
    whatever the threshold, None where the gallery has fewer. `against` is the highest similarity to a face that is
    known not to be the best person's, None where there is none.
    """

    person: str | None
    best: Candidate | None
    runner_up: Candidate | None
    threshold: float
    against: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class UsedFace:
    """One of the faces that a decision rests on; `seen` is UTC seconds, `chip` as in `Face`."""

    seen: float
    quality: Quality
    chip: Picture | None
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class NearPhoto:
    """A photo of the gallery and its similarity to a probe; `photo` is the path inside the gallery, with `/`."""

    person: str
    photo: str
    score: float


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a decision asks for.

    Attributes:
        name: `faces`, `seconds`, `score`, `lead` (over the next person), `denied` (lead over a face that is known not
            to be the person's), `good_faces`.
        value: What there was, None where there was nothing to be compared: then it is met.
        needed: What it has to reach, or with `below` to stay under.
    """

    name: str
    value: float | None
    needed: float
    below: bool = False

    @property
    def met(self) -> bool:
        """Whether it holds."""
        if self.value is None:
            return True
        return self.value < self.needed if self.below else self.value >= self.needed


def suffices(naming: Sequence[Condition]) -> bool:
    """Whether by all that a name asks for there was one: somebody was searched for, and every condition is met."""
    searched = any(one.name == "score" and one.value is not None for one in naming)
    return searched and all(one.met for one in naming)


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """Why an event said what it said: all that was known at that moment.

    Attributes:
        network: Id of the network behind the embeddings.
        people, photos: How many were enrolled.
        threshold_from: `rate` (calibrated to the false alarm rate for so many people), `recognition` or `camera`
            (where the user has set it).
        pooled: The mean of the usable faces, None where there was none.
        faces: The best of them, at most eight, in the order of time.
        face_scores: For each of these its similarity to each of the candidates.
        poor: How many faces were large enough, but too poor to be used; -1 in accounts of before, which do not say.
        unused: How many faces could not be used, by cause.
        candidates: At most five people; first the one who was judged, then who came nearest to be named instead, then
            the most similar of the others, who may be more similar, but did not compete.
        rival: Whether the second of them came nearest to be named instead; else nobody did.
        untold: For each candidate who is to be ignored a digest of the name, by which `forget` finds it, else nothing.
        taken: Who was not among them, because somebody else before the camera had the name.
        against: See `Identification`.
        photos_near: The most similar photos of the gallery, at most five.
        naming, unknown: What a name, or `unknown`, asks for, and what there was.
    """

    network: str
    people: int
    photos: int
    threshold_from: str
    pooled: Embedding | None
    faces: tuple[UsedFace, ...]
    face_scores: tuple[tuple[float, ...], ...]
    poor: int
    unused: tuple[tuple[str, int], ...]
    candidates: tuple[Candidate, ...]
    rival: bool
    untold: tuple[str, ...]
    taken: tuple[str, ...]
    against: float | None
    photos_near: tuple[NearPhoto, ...]
    naming: tuple[Condition, ...]
    unknown: tuple[Condition, ...]

    @property
    def certain(self) -> bool:
        """Whether there was all that a name asks for: that of the first candidate."""
        return bool(self.candidates) and suffices(self.naming)


class EventType(StrEnum):
    """What an event says of a visit."""

    RECOGNIZED = "recognized"
    UNKNOWN = "unknown"
    ENDED = "ended"


IGNORED = "ignored"
"""The reason of the end of a visit of somebody of whom nothing is to be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """One statement about a visit, as decided; the payload that subscribers see is made from it.

    Attributes:
        event_id: Stable and unique; subscribers drop repeats by it.
        seq: 1, 2, 3 within the visit.
        person: The name, set if and only if the visit is recognized.
        score: Similarity of the visit's pooled embedding to the best person, None with an empty gallery or no
            usable face, or where the person was forgotten meanwhile.
        box: The last face as fractions of the picture: x1, y1, x2, y2.
        first_seen, last_seen, decided_at: UTC seconds.
        captured_monotonic: `monotonic` of the frame that decided, for the latency measure; None after a restart.
        reason: Why an ended visit was never decided: `too_small`, `blurred`, `turned_away`, `too_short`,
            `ambiguous`; `ignored`; or `restart` where the daemon died during the visit; else None.
        chip: RGB crop of the best face so far, for the snapshot.
        account: Why it was decided so, None where a dead daemon's visit is ended.
    """

    event_type: EventType
    event_id: str
    visit_id: str
    seq: int
    camera: str
    person: str | None
    score: float | None
    threshold: float
    false_alarm_rate: float | None
    runner_up: Candidate | None
    faces_used: int
    faces_seen: int
    quality: float
    box: tuple[float, float, float, float]
    first_seen: float
    last_seen: float
    decided_at: float
    captured_monotonic: float | None
    reason: str | None
    chip: Picture | None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class CameraState:
    """Who is before a camera now, as published on its state topic."""

    camera: str
    present: tuple[str, ...]
    unknown_count: int
    last_person: str | None
    last_seen: float | None
    analyzed_fps: float
    dropped_frames: int = 0


@dataclass(frozen=True, slots=True)
class PersonState:
    """Where a person of the gallery is, as published on the person's state topic."""

    person: str
    present: bool
    last_camera: str | None
    last_seen: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """One usable photo of a person.

    `embeddings` is (n, 512) float32, unit rows: the face cut out closely and widely, and the mirror images of both.
    `sha256` is the photo's content hash, so that an unchanged photo is never embedded twice. A `negative` one shows
    somebody who was taken for the person and is not.
    """

    person: str
    photo: str
    sha256: str
    embeddings: NDArray[np.float32]
    quality: Quality
    negative: bool = False
