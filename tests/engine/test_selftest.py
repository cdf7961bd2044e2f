from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import selftest
from camwatch.engine.runtime import Precision
from camwatch.engine.selftest import KNOWN, Measured, compare, knows, pictures, waves
from tests.engine.answers import right_answers


def rows(*angles: float) -> NDArray[np.float32]:
    """Unit rows at these angles of a circle."""
    return np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)


def measured(slow: float, fast: float, off: float = 0.0) -> Measured:
    """What `compare` makes of runs that take those seconds, the second's answers turned by `off`."""
    now = [0.0]

    def compile_in(precision: Precision) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            exact = precision == "float32"
            now[0] += slow if exact else fast
            return rows(*np.arange(len(pixels)) + (0 if exact else off))

        return run

    return compare(compile_in, lambda: now[0])


def test_the_faster_precision_is_taken_where_it_agrees() -> None:
    found = measured(2, 1)
    assert (found.gain, found.best) == (2, "bfloat16")
    assert found.cosine == pytest.approx(1)


@pytest.mark.parametrize(("gain", "cosine"), [(1.1, 1.0), (0.3, 1.0), (9, 0.998), (9, 0.0)])
def test_no_gain_or_other_answers_mean_float32(gain: float, cosine: float) -> None:
    assert measured(gain, 1, float(np.arccos(cosine))).best == "float32"


def test_answers_that_are_no_numbers_mean_float32() -> None:
    assert measured(9, 1, np.nan).best == "float32"


@pytest.mark.parametrize("network", KNOWN)
def test_answers_are_right_wrong_or_no_numbers(network: str) -> None:
    right = right_answers(network)
    one = right.copy()
    one[4] = np.nan
    assert knows(network, lambda pixels: right)
    for wrong in (right[::-1], -right, right[:, ::-1], right * np.nan, right * 0, right * 1.1, one):
        assert not knows(network, lambda pixels, wrong=wrong: wrong)


@pytest.mark.parametrize("cosine", [0.9997, 0.9975])
def test_embeddings_may_differ_as_much_as_precisions_may(cosine: float) -> None:
    right = right_answers("facenet")
    other = np.random.default_rng(1).normal(0, 1, right.shape)
    other -= (other * right).sum(1, keepdims=True) * right
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    near = (cosine * right + np.sqrt(1 - cosine**2) * other).astype(np.float32)
    assert knows("facenet", lambda pixels: near) == (cosine > selftest.LEAST_COSINE)


def test_the_pictures_are_eight_and_different() -> None:
    shown = waves()
    assert (shown.shape, shown.dtype) == ((8, 160, 160, 3), np.uint8)
    assert len({picture.tobytes() for picture in shown}) == 8
    assert np.abs(np.diff(shown.astype(int), axis=1)).max() < 40, "smooth, not torn by an overflow"
    sides = {"pnet": 40, "rnet": 24, "onet": 48, "facenet": 160}
    assert {name: pictures(name).shape for name in KNOWN} == {name: (8, side, side, 3) for name, side in sides.items()}
