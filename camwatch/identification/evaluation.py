"""How well people are told apart: verification, closed and open set, with intervals by resampling people. Pure.

Terms are those of ISO/IEC 19795-1: TAR and FAR count pairs of pictures (genuine accepted, impostor accepted); TPIR
counts searches for enrolled people that give the right name, FPIR searches for strangers that give any. Pictures of one
person depend on each other, so uncertainty comes from resampling people (cluster bootstrap: Efron and Tibshirani 1993,
chapter 8), never pictures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from camwatch.identification.centre import centre_of, centred
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import threshold_for
from camwatch.records import Enrolled, Quality

RESAMPLES = 1000
_FEW = 10  # people
_NO_QUALITY = Quality(0.0, 0.0, 0.0, 0.0)
_CHUNK = 1024
_BINS = 4000  # of the cosine from -1 to 1: half a thousandth


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of a dataset.

    Attributes:
        embeddings: (n, dimensions) float32, unit rows: what is enrolled of each picture.
        probes: (n, dimensions) float32, unit rows: what is searched for.
        people: (n,) whose face it is, as a number into `names`.
        names: The people.
        heights: (n,) box heights in pixels, NaN where they are not known.
        network: Id of the network behind the embeddings.
    """

    embeddings: NDArray[np.float32]
    probes: NDArray[np.float32]
    people: NDArray[np.intp]
    names: tuple[str, ...]
    heights: NDArray[np.float64]
    network: str

    def of(self, person: int) -> NDArray[np.intp]:
        """The rows of one person."""
        return np.flatnonzero(self.people == person)


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval by resampling people; `count` of `total` are what it is of."""

    value: float
    low: float
    high: float
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One point of the ROC; `tar` at the threshold where `far` of the impostor pairs are accepted."""

    far: float
    threshold: float
    tar: Share


@dataclass(frozen=True, slots=True, eq=False)
class Verification:
    """All pictures against all: histograms of the cosines, (bins,) counts over `edges`, and points of the ROC."""

    edges: NDArray[np.float64]
    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]
    points: tuple[RatePoint, ...]
    unsupported: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class OpenSet:
    """Random galleries of one size, searched for everybody.

    Attributes:
        people, photos: Enrolled in each gallery.
        galleries: How many there were.
        threshold: The product's for the rate asked.
        found, named, wrong: Shares of enrolled people's pictures found, of strangers' named, and of enrolled people's
            given another's name, at that threshold.
        best: Found at the one threshold that names the share asked of all strangers here.
        curve: (k, 3) threshold, FPIR, TPIR.
        by_height: Found by box height: (from pixels, share).
    """

    people: int
    photos: int
    galleries: int
    threshold: float
    found: Share
    named: Share
    wrong: Share
    best: float
    curve: NDArray[np.float64]
    by_height: tuple[tuple[float, Share], ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two people, or a picture and a person, and how similar they are."""

    one: str
    other: str
    score: float


def verification(faces: Faces, rates: Sequence[float], *, seed: int) -> Verification:
    """Compare every picture with every other.

    A rate is supported where at least ten impostor pairs are accepted at it.

    Args:
        faces: Of at least two people, one of them with two pictures.
        rates: FARs at which the TAR is wanted.
        seed: Of the resampling.
    """
    seen = centred(faces.probes, centre_of(faces.network))
    edges = np.linspace(-1.0, 1.0, _BINS + 1)
    genuine, impostor = np.zeros(_BINS, np.int64), np.zeros(_BINS, np.int64)
    for scores, same in _pairs(seen, faces.people):
        genuine += np.histogram(scores[same], edges)[0]
        impostor += np.histogram(scores[~same], edges)[0]
    above = np.append(np.cumsum(impostor[::-1])[::-1], 0)  # at or above each bin's lower edge, and beyond them all
    limit_at = np.append(edges[:-1], edges[-1] + (edges[1] - edges[0]))
    supported = [rate for rate in rates if rate * impostor.sum() >= 10]
    limits = [float(limit_at[int(np.argmax(above <= rate * impostor.sum()))]) for rate in supported]
    accepted, total = _by_person(seen, faces, limits)
    points = [
        RatePoint(rate, limit, share(accepted[:, at], total, seed=seed))
        for at, (rate, limit) in enumerate(zip(supported, limits, strict=True))
    ]
    left = tuple(rate for rate in rates if rate not in supported)
    return Verification(edges, genuine, impostor, tuple(points), left)


def _by_person(
    seen: NDArray[np.float32], faces: Faces, limits: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Genuine pairs accepted at each limit, (people, limits), and in all, (people,)."""
    accepted = np.zeros((len(faces.names), len(limits)), np.int64)
    total = np.zeros(len(faces.names), np.int64)
    for person in range(len(faces.names)):
        rows = seen[faces.of(person)]
        scores = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
        total[person] = len(scores)
        accepted[person] = [(scores >= limit).sum() for limit in limits]
    return accepted, total


def _pairs(
    seen: NDArray[np.float32], people: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """The cosines of all pairs, some at a time, and whether both are of one person."""
    for start in range(0, len(seen), _CHUNK):
        rows = slice(start, start + _CHUNK)
        scores = np.clip(seen[rows] @ seen[start:].T, -1.0, 1.0)
        upper = np.triu(np.ones(scores.shape, bool), 1)
        same = people[rows, None] == people[None, start:]
        yield scores[upper], same[upper]


def open_set(
    faces: Faces,
    people: int,
    photos: int,
    *,
    rate: float,
    galleries: int,
    seed: int,
    bins: Sequence[float] = (0.0, 40.0, 60.0, 100.0),
) -> OpenSet | None:
    """Enroll random people with random photos, then search for all that is left.

    Only people with more pictures than `photos` are enrolled; where there are not enough, none are.

    Args:
        faces: The dataset.
        people, photos: To enroll; somebody must be left as a stranger.
        rate: The false alarm rate asked for.
        galleries: How many random galleries.
        seed: Of the choice and of the resampling.
        bins: Lower ends of the box heights told apart.

    Returns:
        None where the dataset is too small for it.
    """
    enough = [person for person in range(len(faces.names)) if len(faces.of(person)) > photos]
    if len(enough) < people or len(faces.names) <= people:
        return None
    threshold = threshold_for(people, rate)
    rng = np.random.default_rng([seed, people, photos])
    seen = centred(faces.probes, centre_of(faces.network))
    tally = _Tally(len(faces.names), bins)
    for _ in range(galleries):
        chosen = rng.permutation(enough)[:people]
        gallery, probes = _enroll(faces, chosen, photos, rng)
        scores = seen[probes] @ gallery.templates.T
        columns = {name: at for at, name in enumerate(gallery.people)}
        truth = np.array([columns.get(f"{person}", -1) for person in faces.people[probes]])
        tally.add(scores, truth, faces.people[probes], faces.heights[probes], threshold)
    return tally.result(people, photos, galleries, threshold, rate, seed)


def _enroll(
    faces: Faces, chosen: NDArray[np.intp], photos: int, rng: np.random.Generator
) -> tuple[Gallery, NDArray[np.intp]]:
    """A gallery of these people, and the rows that are not in it."""
    used = np.concatenate([rng.permutation(faces.of(person))[:photos] for person in chosen])
    enrolled = [
        Enrolled(f"{faces.people[row]}", f"{row}", f"{row}", faces.embeddings[row][None], _NO_QUALITY) for row in used
    ]
    return Gallery(enrolled, faces.network), np.setdiff1d(np.arange(len(faces.people)), used)


class _Tally:
    """Counts over galleries, by person."""

    def __init__(self, people: int, bins: Sequence[float]) -> None:
        self._bins = np.asarray(bins)
        self._found, self._wrong, self._searched = (np.zeros(people, np.int64) for _ in range(3))
        self._named, self._strange = (np.zeros(people, np.int64) for _ in range(2))
        self._found_at, self._searched_at = (np.zeros((people, len(bins)), np.int64) for _ in range(2))
        self._own: list[NDArray[np.float32]] = []
        self._strangers: list[NDArray[np.float32]] = []

    def add(
        self,
        scores: NDArray[np.float32],
        truth: NDArray[np.intp],
        people: NDArray[np.intp],
        heights: NDArray[np.float64],
        threshold: float,
    ) -> None:
        """One gallery: (probes, enrolled) scores; `truth` is the right column, -1 for strangers."""
        best, top = scores.argmax(axis=1), scores.max(axis=1)
        known = truth >= 0
        right = known & (best == truth)
        accepted = top >= threshold
        for counts, mask in (
            (self._found, right & accepted),
            (self._wrong, known & ~right & accepted),
            (self._searched, known),
            (self._named, ~known & accepted),
            (self._strange, ~known),
        ):
            np.add.at(counts, people[mask], 1)
        sized = known & np.isfinite(heights)
        bins = np.clip(np.searchsorted(self._bins, heights, side="right") - 1, 0, len(self._bins) - 1)
        np.add.at(self._searched_at, (people[sized], bins[sized]), 1)
        sized &= right & accepted
        np.add.at(self._found_at, (people[sized], bins[sized]), 1)
        self._own.append(np.where(right, top, -2.0)[known].astype(np.float32))
        self._strangers.append(top[~known])

    def result(self, people: int, photos: int, galleries: int, threshold: float, rate: float, seed: int) -> OpenSet:
        own, strangers = np.concatenate(self._own), np.concatenate(self._strangers)
        limits = np.linspace(-0.2, 1.0, 241)
        curve = np.stack([limits, _at_least(strangers, limits), _at_least(own, limits)], axis=1)
        by_height = [
            (float(low), share(self._found_at[:, at], self._searched_at[:, at], seed=seed))
            for at, low in enumerate(self._bins)
            if self._searched_at[:, at].any()
        ]
        return OpenSet(
            people=people,
            photos=photos,
            galleries=galleries,
            threshold=threshold,
            found=share(self._found, self._searched, seed=seed),
            named=share(self._named, self._strange, seed=seed),
            wrong=share(self._wrong, self._searched, seed=seed),
            best=float(np.mean(own > np.quantile(strangers, 1 - rate))),
            curve=curve,
            by_height=tuple(by_height),
        )


def _at_least(scores: NDArray[np.float32], limits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - np.searchsorted(np.sort(scores), limits, side="left") / max(len(scores), 1)


def share(count: NDArray[np.int64], total: NDArray[np.int64], *, seed: int) -> Share:
    """A share over people, with the interval that resampling them gives.

    Where it was so, or not so, of few people, resampling cannot tell how rare that is: then the interval reaches at
    least as far as that of Clopper and Pearson (1934) with people for trials. Of one person there is none (NaN).

    Args:
        count: (people,) how often it was so.
        total: (people,) of how many; people with none do not take part.
        seed: Of the resampling.
    """
    count, total = count[total > 0], total[total > 0]
    if not len(total):
        return Share(float("nan"), float("nan"), float("nan"), 0, 0)
    rng = np.random.default_rng([seed, len(total)])
    drawn = rng.integers(0, len(total), (RESAMPLES, len(total)))
    values = count[drawn].sum(axis=1) / total[drawn].sum(axis=1)
    value = float(count.sum() / total.sum())
    low, high = (float(one) for one in np.quantile(values, (0.025, 0.975)))
    if len(total) == 1:
        low = high = float("nan")
    elif min(np.count_nonzero(count), np.count_nonzero(total - count)) < _FEW:
        people, so = len(total), value * len(total)
        low = min(low, float(beta.ppf(0.025, so, people - so + 1)) if so else 0.0)
        high = max(high, float(beta.ppf(0.975, so + 1, people - so)) if so < people else 1.0)
    return Share(value, low, high, int(count.sum()), int(total.sum()))


def closed_set(faces: Faces, enrolled: Callable[[int], int], *, seed: int) -> tuple[Share, list[Likeness]]:
    """Who is nearest, where everybody is enrolled: the first pictures of each person, the others searched for.

    Args:
        faces: The dataset.
        enrolled: How many of a person's so many pictures are enrolled.
        seed: Of the resampling.

    Returns:
        The share of right answers, and the wrong ones (true, said, similarity), the surest first.
    """
    parts = [(faces.of(person), enrolled(len(faces.of(person)))) for person in range(len(faces.names))]
    photos = [
        Enrolled(f"{person}", f"{row}", f"{row}", faces.embeddings[row][None], _NO_QUALITY)
        for person, (rows, first) in enumerate(parts)
        for row in rows[:first]
    ]
    probes = np.concatenate([rows[first:] for rows, first in parts])
    gallery = Gallery(photos, faces.network)
    people = np.array([int(name) for name in gallery.people], np.intp)
    scores = centred(faces.probes[probes], centre_of(faces.network)) @ gallery.templates.T
    said, truth = people[scores.argmax(axis=1)], faces.people[probes]
    right, total = (np.zeros(len(faces.names), np.int64) for _ in range(2))
    np.add.at(right, truth[said == truth], 1)
    np.add.at(total, truth, 1)
    wrong = [
        Likeness(faces.names[truth[at]], faces.names[said[at]], float(scores[at].max()))
        for at in np.flatnonzero(said != truth)
    ]
    return share(right, total, seed=seed), sorted(wrong, key=lambda one: -one.score)


def alike(faces: Faces, most: int) -> list[Likeness]:
    """The people most likely to be confused: pairs of templates, made of all pictures, by similarity."""
    photos = [
        Enrolled(f"{person:09d}", f"{row}", f"{row}", faces.embeddings[row][None], _NO_QUALITY)
        for row, person in enumerate(faces.people)
    ]
    gallery = Gallery(photos, faces.network)
    people = [faces.names[int(name)] for name in gallery.people]
    rows, columns = np.triu_indices(len(people), 1)
    scores = (gallery.templates @ gallery.templates.T)[rows, columns]
    order = np.argsort(-scores, kind="stable")[:most]
    return [Likeness(people[rows[at]], people[columns[at]], float(scores[at])) for at in order]


def odd_ones(faces: Faces, most: int) -> list[tuple[int, float, Likeness]]:
    """Pictures least like the other pictures of their person: mislabelled, or bad.

    Args:
        faces: The dataset; people with one picture do not take part.
        most: How many.

    Returns:
        Row, similarity to the person's other pictures, and whom it is most similar to of all others; the oddest first.
    """
    if len(faces.names) < 2:
        return []
    seen = centred(faces.embeddings, centre_of(faces.network)).astype(np.float64)
    sums = np.zeros((len(faces.names), seen.shape[1]))
    np.add.at(sums, faces.people, seen)
    pictures = np.bincount(faces.people, minlength=len(faces.names))
    templates = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    found = []
    for row, person in enumerate(faces.people):
        rest = sums[person] - seen[row]
        length = float(np.linalg.norm(rest))
        if pictures[person] < 2 or length < 1e-9:
            continue
        others = templates @ seen[row]
        others[person] = -2.0
        nearest = int(others.argmax())
        own = float(rest @ seen[row]) / length
        found.append((row, own, Likeness(faces.names[person], faces.names[nearest], float(others[nearest]))))
    return sorted(found, key=lambda one: (one[1], one[0]))[:most]
