"""All that is measured of a dataset, as one record."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camwatch.errors import InputError
from camwatch.identification.centre import centre_of, centred
from camwatch.identification.classifier import Classifier
from camwatch.identification.evaluation import (
    Faces,
    Likeness,
    OpenSet,
    Share,
    Verification,
    alike,
    closed_set,
    odd_ones,
    open_set,
    share,
    verification,
)
from camwatch.identification.gallery import SAME_PICTURE

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
PEOPLE = (1, 3, 10, 30, 100)
PHOTOS = (1, 3, 5)
_LISTED = 10
"""How many of the worst pairs and pictures are told."""

_MOST_CLASSES = 200
"""With more people the classifier is left out: it takes many minutes to fit."""


@dataclass(frozen=True, slots=True)
class Odd:
    """A picture that is little like the other pictures of its person, and the person it is most like instead."""

    path: str
    person: str
    own: float
    nearest: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What was measured; parts are None or empty where the dataset is too small for them, which `missing` says.

    Attributes:
        people, pictures: Of the dataset, those with a face.
        network: Id of the network.
        rate: The false alarm rate that thresholds were made for.
        seed, galleries: Of the random choices.
        enrolled: How many pictures of each person the closed set enrolled, in words.
        closed, confusions: Share of right answers, and the wrong ones.
        trained: Share of right answers of the classifier that `train` fits to the same pictures.
        verification: All pictures against all.
        open: Random galleries.
        alike: The most similar people.
        odd: The pictures least like the others of their person.
        missing: What could not be measured, one sentence each.
        skipped: What was left out of the dataset, and why, one line each.
    """

    people: int
    pictures: int
    network: str
    rate: float
    seed: int
    galleries: int
    enrolled: str
    closed: Share | None
    confusions: tuple[Likeness, ...]
    trained: Share | None
    verification: Verification | None
    open: tuple[OpenSet, ...]
    alike: tuple[Likeness, ...]
    odd: tuple[Odd, ...]
    missing: tuple[str, ...]
    skipped: tuple[str, ...]


def measure(
    faces: Faces,
    paths: tuple[str, ...],
    *,
    rate: float,
    galleries: int,
    seed: int,
    train: int | None,
    skipped: tuple[str, ...] = (),
    done: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Measure it all.

    Args:
        faces: The dataset.
        paths: The picture of each face.
        rate: The false alarm rate to make thresholds for.
        galleries: How many random galleries of each size.
        seed: Of all random choices.
        train: How many pictures of each person the closed set enrolls; half of them where None.
        skipped: What was left out before, and why.
        done: Called after each part, `PARTS` times.

    Raises:
        InputError: There is no face.
    """
    if not len(faces.people):
        raise InputError("no picture with a face to evaluate")
    pictures = np.bincount(faces.people, minlength=len(faces.names))
    several = int((pictures > 1).sum())
    missing: list[str] = []

    def first(count: int) -> int:
        return min(count, train) if train is not None else (count + 1) // 2

    tested = sum(int(count) - first(int(count)) for count in pictures)
    closed, trained, confusions = None, None, list[Likeness]()
    if len(faces.names) < 2 or not tested:
        missing.append("closed set: two people are needed, and pictures left to search for after some were enrolled")
    else:
        closed, confusions = closed_set(faces, first, seed=seed)
        if len(faces.names) <= _MOST_CLASSES:
            trained = _trained(faces, first, seed)
        else:
            missing.append(f"closed set by the classifier of `train`: only up to {_MOST_CLASSES} people")
    done()
    verified = None
    if several and len(faces.names) > 1:
        verified = verification(faces, FARS, seed=seed)
        if verified.unsupported:
            rates = ", ".join(f"{far:g}" for far in verified.unsupported)
            missing.append(f"verification at FAR {rates}: too few pairs of different people for ten to be accepted")
    else:
        missing.append("verification: two people are needed, one of them with two pictures")
    done()
    opened = []
    for photos in PHOTOS:
        for people in _sizes(pictures, photos):
            found = open_set(faces, people, photos, rate=rate, galleries=galleries, seed=seed)
            if found is not None:
                opened.append(found)
        done()
    same = _same_moment(faces)
    if same:
        one, other = (paths[row] for row in same[0])
        missing.append(
            f"with pictures of different moments only: some show the same as others of their person ({len(same)}), such"
            f" as {one} and {other}; they are found too easily"
        )
    largest = max((one.people for one in opened), default=0)
    if largest < PEOPLE[-1]:
        missing.append(
            f"open set: galleries beyond {largest} people; that takes so many people with more pictures than are"
            f" enrolled (with two or more there are {several}), and somebody left who is a stranger"
        )
    return Evaluation(
        people=len(faces.names),
        pictures=len(faces.people),
        network=faces.network,
        rate=rate,
        seed=seed,
        galleries=galleries,
        enrolled="the first half of each person's" if train is None else f"the first {train} of each person's",
        closed=closed,
        confusions=tuple(confusions[:_LISTED]),
        trained=trained,
        verification=verified,
        open=tuple(opened),
        alike=tuple(alike(faces, _LISTED)),
        odd=tuple(
            Odd(paths[row], near.one, own, near.other, near.score) for row, own, near in odd_ones(faces, _LISTED)
        ),
        missing=tuple(missing),
        skipped=skipped,
    )


def _trained(faces: Faces, first: Callable[[int], int], seed: int) -> Share:
    """What `train` and `classify` give where the first pictures of each person are trained on, the others tested."""
    parts = [np.split(rows, [first(len(rows))]) for rows in map(faces.of, range(len(faces.names)))]
    known, tested = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    labels = [f"{person}" for person in faces.people[known]]
    fitted = Classifier.fit(faces.embeddings[known], labels, network=faces.network)
    said = np.array([int(one.person) for one in fitted.classify(faces.embeddings[tested])], np.intp)
    truth = faces.people[tested]
    total = np.bincount(truth, minlength=len(faces.names))
    return share(np.bincount(truth[said == truth], minlength=len(faces.names)), total, seed=seed)


def _same_moment(faces: Faces) -> list[tuple[int, int]]:
    """Rows of pictures that show the same as another of their person, each with one of those."""
    seen = centred(faces.embeddings, centre_of(faces.network))
    found = []
    for person in range(len(faces.names)):
        rows = faces.of(person)
        for place in range(1, len(rows)):
            scores = seen[rows[:place]] @ seen[rows[place]]
            nearest = int(scores.argmax())
            if scores[nearest] >= SAME_PICTURE:
                found.append((int(rows[nearest]), int(rows[place])))
    return found


def _sizes(pictures: NDArray[np.intp], photos: int) -> list[int]:
    """Sizes of galleries that the dataset allows: the usual ones, and its own limit."""
    enough = int((pictures > photos).sum())
    most = min(enough, len(pictures) - 1, PEOPLE[-1])
    return sorted({size for size in PEOPLE if size <= most} | ({most} if most else set()))


PARTS = 2 + len(PHOTOS)
