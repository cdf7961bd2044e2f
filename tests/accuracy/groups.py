"""For which faces the product errs more often: small or smeared or turned ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tests.accuracy.faces import FRAMES, Faces
from tests.accuracy.galleries import Trial
from tests.accuracy.kept import answers

BANDS: dict[str, tuple[float, ...]] = {
    "height": (0, 46, 52, 58, 64, np.inf),
    "sharpness": (0, 20, 60, 150, np.inf),
    "turn": (0, 0.1, 0.2, 0.35, np.inf),
}
"""Limits of the groups, see `Quality`."""


@dataclass(frozen=True, slots=True)
class Group:
    """The faces of one band.

    Attributes:
        by, low, high: Of what, from where to below where; None without end.
        probes, found, misnamed: How many of enrolled people, and the shares of these.
        strangers, named: How many of strangers, and the share of these.
    """

    by: str
    low: float
    high: float | None
    probes: int
    found: float
    misnamed: float
    strangers: int
    named: float


def groups(faces: Faces, trials: Iterable[Trial], rate: float) -> list[Group]:
    """Single poor frames, by what can be said of a face without knowing whose it is."""
    columns = []
    for trial in trials:
        rows = np.repeat(trial.rows, FRAMES)[:, None]
        seen = faces.frames.at(rows, np.tile(np.arange(FRAMES), len(trial.rows))[:, None])
        said = answers(trial.photos, seen, rate)
        own = np.repeat(np.concatenate([trial.own, np.full(trial.strangers, -1)]), FRAMES)
        columns.append(np.stack([seen.height[:, 0], seen.sharpness[:, 0], seen.turn[:, 0], own, said]))
    height, sharpness, turn, own, said = np.concatenate(columns, axis=1)
    found = []
    for by, values in (("height", height), ("sharpness", sharpness), ("turn", turn)):
        for low, high in pairwise(BANDS[by]):
            inside = (values >= low) & (values < high)
            mine, others = inside & (own >= 0), inside & (own < 0)
            if mine.any() and others.any():
                right, named = said[mine] == own[mine], said[mine] >= 0
                shares = float(right.mean()), float(np.mean(named & ~right))
                strangers = int(others.sum()), float(np.mean(said[others] >= 0))
                found.append(Group(by, low, None if high == np.inf else high, int(mine.sum()), *shares, *strangers))
    return found
