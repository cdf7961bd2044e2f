from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import selftest
from camwatch.engine.runtime import Precision
from camwatch.engine.selftest import KNOWN, Measured, compare, knows, waves


def rows(*angles: float) -> NDArray[np.float32]:
    """Unit rows at these angles of a circle."""
    return np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)


def right() -> NDArray[np.float32]:
    """Rows whose neighbours have the known cosines."""
    return rows(*np.cumsum([0.0, *np.arccos(KNOWN)]))


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


def test_answers_are_right_wrong_or_no_numbers() -> None:
    turned = right()[::-1]
    assert knows(lambda pixels: right())
    assert not knows(lambda pixels: turned)
    assert not knows(lambda pixels: right() * np.nan)
    assert not knows(lambda pixels: right() * 0)
    one = right()
    one[4] = np.nan
    assert not knows(lambda pixels: one)


def test_the_pictures_are_eight_and_different() -> None:
    pictures = waves()
    assert (pictures.shape, pictures.dtype) == ((8, 160, 160, 3), np.uint8)
    assert len({picture.tobytes() for picture in pictures}) == 8
    assert len(selftest.KNOWN) == 7
    assert np.abs(np.diff(pictures.astype(int), axis=1)).max() < 40, "smooth, not torn by an overflow"
