"""Who is found where so many strangers are named: one threshold for all random galleries of a size."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.faces import Faces
from tests.accuracy.galleries import Kind, Trial, probes
from tests.accuracy.rules import Rule

_RESAMPLED = 300


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """All that a rule said over some galleries.

    Attributes:
        own: Of each probe of somebody enrolled, -inf where another person was more likely.
        own_person: Whose it is.
        strangers, strangers_person: The same of strangers, whoever they were likened to.
    """

    own: NDArray[np.float64]
    own_person: NDArray[np.int64]
    strangers: NDArray[np.float64]
    strangers_person: NDArray[np.int64]


def score(faces: Faces, trials: Iterable[Trial], rules: Mapping[str, Rule], kind: Kind) -> dict[str, Scores]:
    """Search with everybody's faces of one kind, by each of the rules."""
    parts: dict[str, list[tuple[NDArray[np.float64], ...]]] = {name: [] for name in rules}
    people: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for trial in trials:
        seen, known = probes(faces, trial, kind), len(trial.own)
        people.append((trial.person[:known], trial.person[known:]))
        for name, rule in rules.items():
            best, scores = rule(trial.photos, seen)
            parts[name].append((np.where(best[:known] == trial.own, scores[:known], -np.inf), scores[known:]))
    enrolled, strangers = (np.concatenate(column) for column in zip(*people, strict=True))
    found = {name: [np.concatenate(column) for column in zip(*said, strict=True)] for name, said in parts.items()}
    return {name: Scores(own, enrolled, others, strangers) for name, (own, others) in found.items()}


def threshold(strangers: NDArray[np.float64], rate: float) -> float:
    """The lowest score above which no more than this share of strangers is."""
    ordered = np.sort(strangers)[::-1]
    return float(ordered[int(rate * len(ordered))])


def found(scores: Scores, rate: float) -> float:
    """Share of the probes of enrolled people above the threshold of a rate, under the right name."""
    return float(np.mean(scores.own > threshold(scores.strangers, rate)))


def interval(scores: Scores, rate: float) -> tuple[float, float]:
    """Within which 95 % of `found` lie if other people of the same kind had been there: people drawn with repetition.

    The people are drawn, not their pictures: pictures of one person succeed or fail together.
    """
    rng = np.random.default_rng(0)
    people = int(max(scores.own_person.max(), scores.strangers_person.max())) + 1
    order = np.argsort(-scores.strangers)
    ordered, whose = scores.strangers[order], scores.strangers_person[order]
    shares = []
    for _ in range(_RESAMPLED):
        weight = rng.multinomial(people, np.full(people, 1 / people)).astype(np.float64)
        passed = np.cumsum(weight[whose])
        above = int(np.searchsorted(passed, rate * passed[-1], side="right"))
        mine = weight[scores.own_person]
        if mine.sum() > 0:
            limit = ordered[min(above, len(ordered) - 1)]
            shares.append(float(mine[scores.own > limit].sum() / mine.sum()))
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)


def at(scores: Scores, limit: float) -> tuple[float, float]:
    """Shares of the enrolled found, and of strangers named, at a fixed threshold."""
    return float(np.mean(scores.own >= limit)), float(np.mean(scores.strangers >= limit))
