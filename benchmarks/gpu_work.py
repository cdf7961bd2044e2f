"""How much FaceNet computes, counted by building it out of nothing but shapes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.facenet import facenet_description
from camwatch.engine.networks import Floats, Padding
from camwatch.engine.runtime import Network

Shape = tuple[int, ...]
"""Height, width and channels of a picture, or the length of a row."""


class Counting:
    """A `networks.Builder` that multiplies nothing and counts what it would have cost.

    Attributes:
        flops: Floating-point operations of convolutions and dense layers for one picture, a multiplication and an
            addition being two. All else is less than a hundredth of it and is left out.
    """

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self.flops = 0.0

    def pixels(self, height: int | None, width: int | None) -> Shape:
        """See `Builder.pixels`; the sides must be known."""
        assert height is not None and width is not None
        return height, width, 3

    def standardized(self, x: Shape, mean: float, spread: float) -> Shape:
        """See `Builder.standardized`."""
        return x

    def conv(
        self, x: Shape, kernel: Floats, bias: Floats, *, stride: int = 1, padding: Padding = "valid", relu: bool = False
    ) -> Shape:
        """See `Builder.conv`."""
        height, width = (
            _side(length, window, stride, padding) for length, window in zip(x[:2], kernel.shape[:2], strict=True)
        )
        self.flops += 2.0 * kernel.size * height * width
        return height, width, bias.size

    def prelu(self, x: Shape, slope: Floats) -> Shape:
        """See `Builder.prelu`."""
        return x

    def prelu_pooled(
        self, x: Shape, block: Sequence[Floats], window: int, padding: Padding
    ) -> tuple[Shape, NDArray[np.intp]]:
        """See `Builder.prelu_pooled`."""
        kernel, bias, slope = block
        return self.max_pool(self.conv(x, kernel, bias), window, padding), np.arange(slope.size)

    def max_pool(self, x: Shape, window: int, padding: Padding = "valid") -> Shape:
        """See `Builder.max_pool`."""
        return _side(x[0], window, 2, padding), _side(x[1], window, 2, padding), x[2]

    def dense(self, x: Shape, kernel: Floats, bias: Floats) -> Shape:
        """See `Builder.dense`."""
        self.flops += 2.0 * kernel.size
        return (bias.size,)

    def concat(self, parts: Sequence[Shape]) -> Shape:
        """See `Builder.concat`."""
        return (*parts[0][:-1], sum(part[-1] for part in parts))

    def add(self, x: Shape, y: Shape, *, relu: bool) -> Shape:
        """See `Builder.add`."""
        return x

    def mean(self, x: Shape) -> Shape:
        """See `Builder.mean`."""
        return x[-1:]

    def unit(self, x: Shape) -> Shape:
        """See `Builder.unit`."""
        return x

    def finish(self, pixels: Shape, out: Shape) -> Any:
        """The shape of the answer."""
        return out


def flops_of(network: Network) -> float:
    """Floating-point operations of a network of fixed size for one picture; reads its weights."""
    build = Counting()
    network.describe(build)
    return build.flops


def facenet_flops() -> float:
    """Floating-point operations for one face."""
    return flops_of(facenet_description())


def _side(length: int, window: int, stride: int, padding: Padding) -> int:
    return -(-length // stride) if padding == "same" else (length - window) // stride + 1
