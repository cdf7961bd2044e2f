"""Whether a runtime computes the embedding network rightly, and in which precision it is best here.

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
KNOWN = (0.9544, 0.9693, 0.9262, 0.9383, 0.8520, 0.8827, 0.7845)
"""Cosines between neighbouring test pictures' embeddings by the packaged FaceNet."""
TOLERANCE = 0.01

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
    pictures = waves()
    runs = {precision: compile_in(precision) for precision in ("float32", "bfloat16")}
    first, second = (run(pictures) for run in runs.values())
    cosine = float((first * second).sum(axis=1).min())
    seconds = dict.fromkeys(runs, np.inf)
    for _ in range(_ROUNDS):
        for precision, run in runs.items():
            started = timer()
            run(pictures)
            seconds[precision] = min(seconds[precision], timer() - started)
    return Measured(cosine if np.isfinite(cosine) else 0.0, seconds["float32"] / max(seconds["bfloat16"], 1e-9))


def knows(run: Run) -> bool:
    """Whether the packaged FaceNet gives the known answers."""
    embeddings = run(waves())
    cosines = (embeddings[1:] * embeddings[:-1]).sum(axis=1)
    return bool((np.abs(cosines - KNOWN) < TOLERANCE).all())  # written such that NaN fails
