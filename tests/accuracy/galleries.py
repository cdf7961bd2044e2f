"""Random galleries out of a kit's people: who is enrolled with which photos, who is searched for, who is a stranger."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.records import Enrolled, Quality
from tests.accuracy.faces import FRAMES, Faces, Seen

Kind = Literal["still", "frame", "visit", "mixed"]
KINDS: dict[Kind, str] = {
    "still": "one still as it is",
    "frame": "one poor frame",
    "visit": "10 poor frames of one still",
    "mixed": "10 poor frames of different stills",
}
"""What is searched with. Strangers with one still have `mixed` frames of that one."""
SPARE = 4
"""People with many stills who stay strangers, whatever the size."""
_GOOD = Quality(height=100.0, sharpness=100.0, turn=0.0, score=1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Photos:
    """What one gallery is made of: `embeddings` as in `Faces.photos`, `owner` (p,) counts the enrolled from 0."""

    embeddings: NDArray[np.float32]
    owner: NDArray[np.int64]
    network: str

    @property
    def people(self) -> int:
        """How many are enrolled."""
        return int(self.owner.max()) + 1

    def recognizer(self, rate: float) -> Recognizer:
        """The product's own; names are the numbers of `owner`, in their order."""
        enrolled = [
            Enrolled(f"{owner:04}", f"{row}", f"{row}", self.embeddings[row], _GOOD)
            for row, owner in enumerate(self.owner.tolist())
        ]
        return Recognizer(Gallery(enrolled, self.network), false_alarm_rate=rate)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One random gallery.

    Attributes:
        photos: Who is enrolled.
        own: (m,) the number in the gallery of each probe that is of somebody enrolled.
        rows: (m + s,) stills that are searched with, those of strangers last, one of each.
        person: (m + s,) whose they are, by the kit's numbers.
        seed: For what is drawn later.
    """

    photos: Photos
    own: NDArray[np.int64]
    rows: NDArray[np.int64]
    person: NDArray[np.int64]
    seed: tuple[int, ...]

    @property
    def strangers(self) -> int:
        """How many of the probes are of strangers."""
        return len(self.rows) - len(self.own)


def draw(faces: Faces, people: int, photos: int, seed: int) -> Trial:
    """One random gallery: all other stills of the enrolled are searched for, and one of each stranger.

    Args:
        faces: Of the kit.
        people: How many to enroll; where there are not enough with many stills, people with one photo fill it up.
        photos: How many photos of each.
        seed: Of the random choice.
    """
    rng = np.random.default_rng([seed, people, photos])
    many = rng.permutation(faces.probed)
    others = rng.permutation(np.arange(faces.probed, faces.people.max() + 1))
    first = min(people, faces.probed - SPARE)
    chosen, rest = [*many[:first], *others[: people - first]], [*many[first:], *others[people - first :]]
    enrolled: list[tuple[int, int]] = []
    probes: list[tuple[int, int]] = []
    for number, person in enumerate(chosen):
        rows = rng.permutation(faces.of(person))
        enrolled += [(number, row) for row in rows[:photos]]
        probes += [(number, row) for row in rows[photos:] if person < faces.probed]
    owner, stills = np.array(enrolled).T
    own, known = np.array(probes).T
    rows = np.concatenate([known, [rng.choice(faces.of(person)) for person in rest]])
    gallery = Photos(faces.photos[stills], owner, faces.network)
    return Trial(gallery, own, rows, faces.people[rows], (seed, people, photos))


def probes(faces: Faces, trial: Trial, kind: Kind) -> Seen:
    """What is searched with, (m + s, frames), in the order of `Trial.rows`."""
    rows = trial.rows[:, None]
    if kind == "still":
        return faces.single.at(rows, np.zeros_like(rows))
    if kind == "frame":
        return faces.frames.at(rows, np.zeros_like(rows))
    columns = np.tile(np.arange(FRAMES), (len(rows), 1))
    if kind == "visit":
        return faces.frames.at(np.repeat(rows, FRAMES, axis=1), columns)
    rng = np.random.default_rng([*trial.seed, 1])
    taken = np.repeat(rows, FRAMES, axis=1)
    known = {person: np.unique(trial.rows[: len(trial.own)][trial.own == person]) for person in np.unique(trial.own)}
    for row, person in enumerate(trial.person):
        stills = known[trial.own[row]] if row < len(trial.own) else faces.of(person)
        order = np.concatenate([rng.permutation(stills) for _ in range(-(-FRAMES // len(stills)))])
        taken[row] = order[:FRAMES]
    return faces.frames.at(taken, columns)
