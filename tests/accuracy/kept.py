"""Whether the threshold keeps the rate that was asked for, gallery by gallery, and what that costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom

from tests.accuracy.faces import Faces, Seen
from tests.accuracy.galleries import Kind, Photos, Trial, probes
from tests.accuracy.rules import camwatch


@dataclass(frozen=True, slots=True)
class Kept:
    """How the product's own threshold did over random galleries of one size; all are shares.

    Attributes:
        named: Of all strangers, over all galleries.
        counted: Of galleries, in which no more of their strangers were named than asked for.
        allowed: Of galleries, in which no more were named than chance allows at the rate asked for, 95 times in 100.
        true: Of galleries, that keep the rate if it were counted on strangers without number: see `true_share`.
        found: Of the probes of enrolled people, named rightly.
        misnamed: Of the same, given another enrolled person's name.
    """

    named: float
    counted: float
    allowed: float
    true: float
    found: float
    misnamed: float


def kept(faces: Faces, trials: Iterable[Trial], kind: Kind, rates: Sequence[float]) -> dict[float, Kept]:
    """Ask the product's `Recognizer` for everybody's name, at several rates."""
    counts: dict[float, list[tuple[int, ...]]] = {rate: [] for rate in rates}
    for trial in trials:
        seen, known = probes(faces, trial, kind), len(trial.own)
        for rate in rates:
            said = answers(trial.photos, seen, rate)
            mine, others = said[:known], said[known:]
            right, named = int((mine == trial.own).sum()), int((mine >= 0).sum())
            counts[rate].append((int((others >= 0).sum()), len(others), right, named - right, known))
    return {rate: _kept(np.array(counts[rate]), rate) for rate in rates}


def _kept(counts: NDArray[np.int64], rate: float) -> Kept:
    named, of, right, wrong, known = counts.T
    return Kept(
        named=float(named.sum() / of.sum()),
        counted=float(np.mean(named <= rate * of)),
        allowed=float(np.mean(named <= binom.ppf(0.95, of, rate))),
        true=true_share(named, of, rate),
        found=float(right.sum() / known.sum()),
        misnamed=float(wrong.sum() / known.sum()),
    )


def answers(photos: Photos, seen: Seen, rate: float) -> NDArray[np.int64]:
    """(n,) who the product says it is, by the number in the gallery; -1 is nobody. Many frames are a visit."""
    recognizer = photos.recognizer(rate)
    limit = recognizer.limit().threshold if seen.embeddings.shape[1] > 1 else recognizer.threshold
    _, scores = camwatch(photos, seen)
    said = np.full(len(scores), -1, np.int64)
    pooled = seen.pooled
    for row in np.flatnonzero(scores >= limit - 1e-5):  # no name is given below it
        name = recognizer.identify(pooled[row], limit).person
        said[row] = -1 if name is None else int(name)
    return said


def true_share(named: NDArray[np.int64], strangers: NDArray[np.int64], rate: float) -> float:
    """Share of galleries whose own rate is at or below the one asked for, without the luck of so few strangers.

    Each gallery names strangers at a rate of its own; the rates are taken to follow a beta distribution, whose mean and
    variance come from the counts (beta-binomial, by moments; Griffiths, Biometrics 29, 1973, has the model). Where the
    counts differ no more than binomial ones do, all galleries have the one rate.

    Args:
        named: How many strangers each gallery named.
        strangers: Of how many.
        rate: What was asked for.
    """
    size = float(strangers.mean())
    mean = float(named.sum() / strangers.sum())
    if mean in (0.0, 1.0):
        return float(mean <= rate)
    variance = float(np.var(named / strangers, ddof=1))
    alike = (variance * size / (mean * (1 - mean)) - 1) / (size - 1)
    if alike <= 0:
        return float(mean <= rate)
    total = 1 / alike - 1
    return float(beta.cdf(rate, mean * total, (1 - mean) * total))
