"""What a gallery of a size can promise of strangers: the figures in `camwatch/identification/promise.py`.

    python -m tests.accuracy.promised KIT

Random galleries, the product's own answers, single stills and visits of ten poor frames of one still and of
several; the worst of the three counts, of shares and of spreads.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from camwatch.engine.analyzer import FaceAnalyzer
from tests.accuracy.faces import Faces, read
from tests.accuracy.galleries import Kind, draw, probes
from tests.accuracy.kept import answers

SIZES, PHOTOS, RATES = (1, 3, 10, 30, 100), (1, 3, 5), (0.05, 0.01, 0.001)
KINDS: tuple[Kind, ...] = ("still", "visit", "mixed")
GALLERIES = 200


def spread(named: NDArray[np.int64], strangers: NDArray[np.int64]) -> float:
    """The rate that 95 % of galleries keep below, without the luck of so few strangers: see `kept.true_share`."""
    size, mean = float(strangers.mean()), float(named.sum() / strangers.sum())
    variance = float(np.var(named / strangers, ddof=1))
    alike = 0.0 if mean in (0.0, 1.0) else (variance * size / (mean * (1 - mean)) - 1) / (size - 1)
    if alike <= 0:
        return mean
    total = 1 / alike - 1
    return float(beta.ppf(0.95, mean * total, (1 - mean) * total))


def measured(faces: Faces, people: int, photos: int, rate: float, galleries: int) -> tuple[float, float]:
    """The share of strangers named, and the rate that 95 % of galleries keep below."""
    share = most = 0.0
    trials = [draw(faces, people, photos, seed) for seed in range(galleries)]
    for kind in KINDS:
        counts = []
        for trial in trials:
            said = answers(trial.photos, probes(faces, trial, kind), rate)[len(trial.own) :]
            counts.append((int((said >= 0).sum()), len(said)))
        named, strangers = np.array(counts).T
        share, most = max(share, float(named.sum() / strangers.sum())), max(most, spread(named, strangers))
    return share, most


def main(kit: str) -> None:
    """Print the table as it stands in the module."""
    faces = read(FaceAnalyzer(precision="float32"), Path(kit))
    print(f"strangers: {len(faces.names) - faces.probed}")
    for rate in RATES:
        for photos in PHOTOS:
            row = [measured(faces, people, photos, rate, GALLERIES) for people in SIZES]
            told = ", ".join(f"({share:.4f}, {most:.4f})" for share, most in row)
            print(f"    ({rate}, {photos}): ({told}),", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
