"""Networks as Keras 3 models, for any of its backends: TensorFlow, or JAX.

Where TensorFlow computes the same thing faster in another form, that form is taken. Weights are variables, not
constants of a graph, of which TensorFlow makes copies while it optimizes. Importing this module loads Keras and its
backend: import it where a network is built.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import Input, Model, layers, ops
from numpy.typing import NDArray

from camwatch.engine.layers import ON_TENSORFLOW, Conv, Dense, Dtype, PooledPrelu, Prelu
from camwatch.engine.networks import Floats, Node, Padding
from camwatch.engine.weights import Arrays


class KerasBuilder:
    """A `networks.Builder` that makes Keras models.

    Args:
        dtype: What weights are held in and layers answer in; the ends of the networks are always float32.
    """

    def __init__(self, dtype: Dtype = "float32") -> None:
        """Nothing is built yet."""
        self.dtype = dtype

    def pixels(self, height: int | None, width: int | None) -> Node:
        """See `Builder.pixels`."""
        return Input((height, width, 3), dtype="uint8")

    def standardized(self, x: Node, mean: float, spread: float) -> Node:
        """See `Builder.standardized`; computed in float32, as bfloat16 has not the bits for it."""
        return (ops.cast(x, "float32") - mean) / spread

    def conv(
        self, x: Node, kernel: Floats, bias: Floats, *, stride: int = 1, padding: Padding = "valid", relu: bool = False
    ) -> Node:
        """See `Builder.conv`. Pixels from 0 to 255 are exact in bfloat16."""
        layer = Conv(kernel.shape[:2], bias.size, stride=stride, padding=padding, relu=relu, dtype=self.dtype)
        return _filled(layer, ops.cast(x, self.dtype), kernel, bias)

    def prelu(self, x: Node, slope: Floats) -> Node:
        """See `Builder.prelu`."""
        dtype = self.dtype if len(x.shape) == 4 else "float32"
        return _filled(Prelu(mirrored=bool(slope.max() <= 1), dtype=dtype), x, slope)

    def prelu_pooled(self, x: Node, block: Arrays, window: int, padding: Padding) -> tuple[Node, NDArray[np.intp]]:
        """See `Builder.prelu_pooled`.

        For TensorFlow, pooling comes first, which leaves a quarter of the values for the PReLU. It needs the channels
        with falling slopes twice. That pays where they fit the processor's lanes all the same: in the first layers
        of P-Net (10 channels, 6 of them falling) and R-Net (28 and 9).
        """
        kernel, bias, slope = block
        if not ON_TENSORFLOW:
            return self.max_pool(self.prelu(self.conv(x, kernel, bias), slope), window, padding), np.arange(slope.size)
        order = np.argsort(slope < 0, kind="stable")
        rising = int((slope >= 0).sum())
        kernel, bias, slope = kernel[..., order], bias[order], slope[order]
        kernel = np.concatenate([kernel, slope[rising:] * kernel[..., rising:]], -1)
        bias = np.concatenate([bias, slope[rising:] * bias[rising:]])
        x = self.max_pool(self.conv(x, kernel, bias), window, padding)
        return _filled(PooledPrelu(slope.size, rising, dtype=self.dtype), x, slope[:rising]), order

    def max_pool(self, x: Node, window: int, padding: Padding = "valid") -> Node:
        """See `Builder.max_pool`."""
        return layers.MaxPooling2D(window, 2, padding=padding, dtype=self.dtype)(x)

    def dense(self, x: Node, kernel: Floats, bias: Floats) -> Node:
        """See `Builder.dense`; behind a picture of bfloat16 in bfloat16, behind float32 in float32."""
        if kernel.ndim == 2:
            return _filled(Dense(bias.size), x, kernel, bias)
        flat = layers.Flatten(dtype=self.dtype)(x)
        return _filled(Dense(bias.size, dtype=self.dtype), flat, kernel.reshape(-1, bias.size), bias)

    def concat(self, parts: Sequence[Node]) -> Node:
        """See `Builder.concat`."""
        return parts[0] if len(parts) == 1 else ops.concatenate(list(parts), -1)

    def add(self, x: Node, y: Node, *, relu: bool) -> Node:
        """See `Builder.add`."""
        return ops.relu(x + y) if relu else x + y

    def mean(self, x: Node) -> Node:
        """See `Builder.mean`."""
        return ops.mean(ops.cast(x, "float32"), (1, 2))

    def unit(self, x: Node) -> Node:
        """See `Builder.unit`."""
        return x * ops.rsqrt(ops.maximum(ops.sum(x * x, -1, keepdims=True), 1e-10))

    def finish(self, pixels: Node, out: Node) -> keras.Model:
        """See `Builder.finish`."""
        return Model(pixels, ops.cast(out, "float32"))


def _filled(layer: Any, x: Node, *values: Floats) -> Node:
    """Apply a new layer, which creates its variables, and fill them."""
    out = layer(x)
    layer.set_weights(list(values))
    return out
