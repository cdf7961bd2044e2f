"""Whether a runtime computes the packaged networks rightly, and in which precision it is best here.

The test pictures are smooth coloured waves: networks answer to them as evenly as to faces, while noise and hard edges
exaggerate the differences between precisions.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.inception_resnet import CHIP_SIZE
from camwatch.engine.runtime import Precision, Run

LEAST_COSINE = 0.999
"""Between embeddings of both precisions: what is less may move a score across a threshold."""
LEAST_GAIN = 1.15
"""Times as fast the lower precision must be."""
LARGEST_ERROR = 2 * (1 - LEAST_COSINE)
"""Squared error of answers, relative to their squares: for unit embeddings what `LEAST_COSINE` says."""
# fmt: off
KNOWN: dict[str, tuple[tuple[float, ...], ...]] = {
    "pnet": (
        (-30.30, 224.94, 111.04, -102.75),
        (-40.27, 152.75, 117.87, -72.72),
        (20.42, 238.98, 125.01, -93.21),
        (14.90, 255.92, 77.47, -106.18),
        (-21.41, 126.92, 99.12, -75.88),
        (71.73, 219.23, 102.39, -80.98),
        (10.50, 251.38, 110.14, -67.30),
        (-57.82, 232.64, 93.63, -107.19),
    ),
    "rnet": (
        (-0.0498, 5.4752, -1.0654, -6.3530),
        (0.6177, 5.2127, -0.5179, -5.1211),
        (0.5309, 7.9165, -1.1718, -8.4628),
        (0.3748, 4.2345, -0.8756, -4.8506),
        (0.2839, 5.2749, -0.7000, -5.5111),
        (0.5712, 7.2788, -1.0256, -7.6848),
        (0.2966, 5.7348, -0.9444, -6.2685),
        (0.2507, 6.3538, -0.7599, -6.5469),
    ),
    "onet": (
        (-5.2645, -1.2373, 6.8761, 6.8469),
        (-6.2020, -1.6020, 7.4386, 7.8264),
        (-8.7374, -1.4657, 10.1233, 12.0758),
        (-5.2085, -1.1119, 7.0895, 7.3590),
        (-8.9832, -2.0415, 10.1107, 11.4945),
        (-6.2297, -1.1637, 8.1887, 8.7097),
        (-5.5438, -1.4073, 7.0308, 7.1438),
        (-7.7478, -1.7731, 8.8826, 9.6619),
    ),
    "facenet": (
        (-1.7245, 1.4059, 0.5233, -1.2201),
        (-1.5881, 1.1960, 0.1933, -0.9815),
        (-1.2831, 1.0505, 0.3300, -1.2689),
        (-1.3822, 1.0826, 0.1452, -0.2730),
        (-1.4699, 1.4675, 0.1936, 0.1045),
        (-0.9652, 0.7158, -0.0909, -0.6553),
        (-1.2889, 1.6024, -0.8781, 0.3201),
        (-1.3503, 2.0860, -0.4448, 1.0941),
    ),
}
# fmt: on
"""Of each packaged network what `_summary` makes of its answers to the test pictures, in float32."""

_PICTURES = 8
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """What comparing the two precisions gave: the least cosine, and how many times as fast bfloat16 is."""

    cosine: float
    gain: float

    @property
    def best(self) -> Precision:
        """The precision to take."""
        return "bfloat16" if self.cosine >= LEAST_COSINE and self.gain >= LEAST_GAIN else "float32"


def waves() -> NDArray[np.uint8]:
    """The test pictures, (8, 160, 160, 3) uint8."""
    line = np.linspace(0, 2 * np.pi, CHIP_SIZE)
    number = np.arange(_PICTURES, dtype=np.float64)[:, None]
    colour = np.arange(3, dtype=np.float64)[None, :]
    across = np.sin(line[:, None, None] * (1 + number / 2) + number + colour)
    down = np.cos(line[:, None, None] * (2 + colour / 2) - 2 * number)
    return np.asarray(127.5 + 63 * (across[None] + down[:, None]), np.uint8).transpose(2, 0, 1, 3)


def compare(compile_in: Callable[[Precision], Run], timer: Callable[[], float] = time.process_time) -> Measured:
    """Embed the test pictures in both precisions.

    Args:
        compile_in: Gives the embedding network in a precision.
        timer: Seconds of processor time.
    """
    shown = waves()
    runs = {precision: compile_in(precision) for precision in ("float32", "bfloat16")}
    first, second = (run(shown) for run in runs.values())
    cosine = float((first * second).sum(axis=1).min())
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(_ROUNDS):
        for precision, run in runs.items():
            started = timer()
            run(shown)
            seconds[precision] = min(seconds[precision], timer() - started)
    return Measured(cosine if np.isfinite(cosine) else 0.0, seconds["float32"] / max(seconds["bfloat16"], 1e-9))


def pictures(network: str) -> NDArray[np.uint8]:
    """The test pictures, in the size that a network takes."""
    step, side = {"pnet": (4, 40), "rnet": (6, 24), "onet": (3, 48), "facenet": (1, CHIP_SIZE)}[network]
    return np.ascontiguousarray(waves()[:, ::step, ::step][:, :side, :side])


def knows(network: str, run: Run) -> bool:
    """Whether a packaged network gives the known answers, nearly enough for bfloat16.

    Args:
        network: `pnet`, `rnet`, `onet` or `facenet`.
        run: It, compiled.
    """
    known = np.array(KNOWN[network])
    error = np.square(_summary(run(pictures(network))) - known).mean()
    return bool(error <= LARGEST_ERROR * np.square(known).mean())  # written such that NaN fails


def _summary(answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """Four numbers for each picture, in whose errors all errors of its answers are, evenly: (n, ...) to (n, 4)."""
    rows = answers.reshape(len(answers), -1).astype(np.float64)
    place, number = np.arange(rows.shape[1]), np.arange(1, 5)
    return np.asarray(rows @ (np.sqrt(2) * np.cos(0.1 * place[:, None] ** 2 * number)))
