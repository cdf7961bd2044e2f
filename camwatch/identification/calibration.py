"""A confidence for a classifier's margins: softmax with one temperature (Guo et al. 2017, arXiv:1706.04599)."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

DEFAULT_TEMPERATURE = 0.25
"""Where no class has two images, so that nothing can be held back to measure it: a typical value of those measured."""
_TEMPERATURES = np.geomspace(0.05, 2.0, 40)
_FOLDS = 5

Fitter = Callable[
    [NDArray[np.float32], NDArray[np.intp]],
    tuple[NDArray[np.float64], NDArray[np.float64]],
]
"""Embeddings (n, dimensions) and class numbers (n,) to weights (classes, dimensions) and bias (classes,)."""


def fit_temperature(embeddings: NDArray[np.float32], targets: NDArray[np.intp], fit: Fitter) -> float:
    """The temperature that makes the confidences of images held back most likely.

    Classes with one image are always trained on and never held back. The mean confidence may not exceed what so few
    images can support, (right + 1) / (all + 2) by Laplace's rule of succession: else ten right answers of ten would
    make every later one certain.

    Args:
        embeddings: (n, dimensions) float32, unit rows.
        targets: (n,) class numbers.
        fit: Trains on a part.
    """
    margins: list[NDArray[np.float64]] = []
    truth: list[NDArray[np.intp]] = []
    for held in _folds(targets):
        weights, bias = fit(embeddings[~held], targets[~held])
        margins.append(embeddings[held].astype(np.float64) @ weights.T + bias)
        truth.append(targets[held])
    if not margins:
        return DEFAULT_TEMPERATURE
    scores, right = np.concatenate(margins), np.concatenate(truth)
    most = ((scores.argmax(axis=1) == right).sum() + 1) / (len(right) + 2)
    best, least = _TEMPERATURES[-1], np.inf
    for temperature in _TEMPERATURES:
        shares = softmax(scores / temperature)
        loss = _loss(shares, right)
        if loss < least and shares.max(axis=1).mean() <= most:
            best, least = temperature, loss
    return float(best)


def softmax(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of (n, classes) as shares that sum to 1."""
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _folds(targets: NDArray[np.intp]) -> Iterator[NDArray[np.bool_]]:
    """Masks of images to hold back: each class's images in turns, never all of a class."""
    turn = np.zeros(len(targets), np.intp)
    for target in np.unique(targets):
        mine = np.flatnonzero(targets == target)
        folds = min(_FOLDS, len(mine))
        turn[mine] = np.arange(len(mine)) % folds if folds > 1 else -1
    for fold in range(int(turn.max(initial=-1)) + 1):
        yield turn == fold


def _loss(shares: NDArray[np.float64], right: NDArray[np.intp]) -> float:
    """Mean negative logarithm of the right classes' shares."""
    return float(-np.log(np.maximum(shares[np.arange(len(right)), right], 1e-12)).mean())
