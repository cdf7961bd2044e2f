"""The most alike people of a kit: whether one is given the other's name, both enrolled or only the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.faces import FRAMES, Faces
from tests.accuracy.galleries import Photos

OTHERS = 23
"""People enrolled beside a pair."""
PHOTOS = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people who look alike.

    Attributes:
        alike: Cosine of their templates, as the product compares them.
        stills: How many there are of each.
        told: Whether the gallery, with both in it, names the pair as look-alikes.
        both: With both enrolled: searched, given the right name, given the other's.
        one: With only the other enrolled: searched, given the other's name.
    """

    alike: float
    stills: tuple[int, int]
    told: bool
    both: tuple[int, int, int]
    one: tuple[int, int]


def pairs(faces: Faces, count: int, rate: float) -> list[Pair]:
    """The most alike pairs among all people of a kit, the most alike first.

    Who has several stills is enrolled with up to five, but half of them at most, and searched for with the poor frames
    of the others, ten of one still at a time. Who has one is enrolled with it, and searched for with the poor frames of
    the same still: its own name is too easily found then, the other's is not.
    """
    people = len(faces.names)
    everybody = _gallery(faces, list(range(people)), {}).recognizer(rate).gallery.templates
    alike = np.triu(everybody @ everybody.T, 1)
    found = []
    for flat in np.argsort(-alike, axis=None)[:count]:
        one, other = divmod(int(flat), people)
        found.append(_pair(faces, one, other, float(alike[one, other]), rate))
    return found


def _pair(faces: Faces, one: int, other: int, alike: float, rate: float) -> Pair:
    rng = np.random.default_rng([one, other])
    others = [person for person in rng.permutation(len(faces.names)).tolist() if person not in (one, other)][:OTHERS]
    split = {person: _split(faces, person, rng) for person in (one, other)}
    photos = {person: taken for person, (taken, _) in split.items()}
    both, single = np.zeros(3, int), np.zeros(2, int)
    recognizer = _gallery(faces, [one, other, *others], photos).recognizer(rate)
    told = ("0000", "0001") in {pair[:2] for pair in recognizer.gallery.lookalikes()}
    for number, (absent, there) in enumerate(((one, other), (other, one))):
        alone = _gallery(faces, [there, *others], photos).recognizer(rate)
        for still in split[absent][1]:
            cells = np.full((1, FRAMES), still), np.arange(FRAMES)[None]
            [visit] = faces.frames.at(*cells).pooled
            name = recognizer.identify(visit, recognizer.limit().threshold).person
            both += 1, name == f"{number:04}", name == f"{1 - number:04}"
            single += 1, alone.identify(visit, alone.limit().threshold).person == "0000"
    sizes = len(faces.of(one)), len(faces.of(other))
    return Pair(alike, sizes, told, (int(both[0]), int(both[1]), int(both[2])), (int(single[0]), int(single[1])))


def _split(faces: Faces, person: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stills to enroll, and stills to search with."""
    stills = rng.permutation(faces.of(person))
    if len(stills) == 1:
        return stills, stills
    enrolled = min(PHOTOS, len(stills) // 2)
    return stills[:enrolled], stills[enrolled:]


def _gallery(faces: Faces, people: list[int], photos: dict[int, NDArray[np.int64]]) -> Photos:
    rows = [photos.get(person, faces.of(person)[:PHOTOS]) for person in people]
    owner = np.repeat(np.arange(len(people)), [len(each) for each in rows])
    return Photos(faces.photos[np.concatenate(rows)], owner, faces.network)
