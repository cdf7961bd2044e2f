"""Pictures as planes, for tests that write into a ring or look at what comes out of one."""

import numpy as np
from numpy.typing import NDArray

from camwatch.capture.planes import Layout, Planes


def grey(value: int, width: int = 16, height: int = 12) -> Planes:
    """A picture of one grey, 0..255; as RGB it is exactly that."""
    colours = np.full((-(-height // 2), -(-width // 2)), 128, np.uint8)
    layout = Layout(width, height, full_range=True)
    return Planes(np.full((height, width), value, np.uint8), colours, colours, layout)


def noise(width: int, height: int, *, seed: int = 0, **meaning: int) -> Planes:
    """A picture in which no two places look alike; `meaning` as in `Layout`."""
    dice = np.random.default_rng(seed)
    half = (-(-height // 2), -(-width // 2))
    y, u, v = (dice.integers(16, 236, size, np.uint8) for size in ((height, width), half, half))
    return Planes(y, u, v, Layout(width, height, **meaning))


def stored(planes: Planes) -> NDArray[np.uint8]:
    """The bytes as they lie in a slot; what belongs to no pixel is 255."""
    buffer = np.full(planes.layout.nbytes, 255, np.uint8)
    planes.copy_into(buffer)
    return buffer
