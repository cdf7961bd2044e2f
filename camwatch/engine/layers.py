"""The few kinds of layers that camwatch's networks are made of, as Keras 3 layers that any of its backends runs.

Where a backend computes the same thing faster in another form, the layer takes that form; what it computes and its
weights stay the same. Importing this module loads Keras and its backend: import it where a network is built.
"""

from typing import Any, Literal

import keras
from keras import layers, ops

Dtype = Literal["float32", "bfloat16"]
"""What weights are held in and layers answer in; sums are always of float32."""
Shape = tuple[int | None, ...]

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
_LANES = 16
"""Channels come in multiples of this for the vectorised kernel behind `_mirrored`; others are slower than none."""


class Conv(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """A convolution with bias: (n, h, w, in) to (n, h', w', channels).

    Args:
        window: Height and width of the kernel.
        channels: Out.
        stride: In both directions.
        padding: `valid` or `same`.
        relu: Whether max(x, 0) follows.
        dtype: See `Dtype`.
    """

    def __init__(
        self,
        window: tuple[int, int],
        channels: int,
        *,
        stride: int = 1,
        padding: str = "valid",
        relu: bool = False,
        dtype: Dtype = "float32",
    ) -> None:
        """Weights come with the first input."""
        super().__init__(dtype=dtype)
        self.window, self.channels = window, channels
        self.stride, self.padding, self.relu = stride, padding.lower(), relu

    def build(self, shape: Shape) -> None:
        """Weights: kernel (height, width, in, channels), bias (channels,)."""
        self.kernel = _weight(self, "kernel", (*self.window, shape[-1], self.channels))
        self.bias = _weight(self, "bias", (self.channels,))

    def call(self, x: Any) -> Any:
        """Convolve and add the bias."""
        x = _plus_bias(ops.conv(x, self.kernel, self.stride, self.padding), self.bias)
        return ops.relu(x) if self.relu else x


class Dense(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """A matrix and a bias: (n, in) to (n, channels) float32."""

    def __init__(self, channels: int, *, dtype: Dtype = "float32") -> None:
        """Weights come with the first input."""
        super().__init__(dtype=dtype)
        self.channels = channels

    def build(self, shape: Shape) -> None:
        """Weights: kernel (in, channels), bias (channels,) float32."""
        self.kernel = _weight(self, "kernel", (shape[-1], self.channels))
        self.bias = _weight(self, "bias", (self.channels,), "float32")

    def call(self, x: Any) -> Any:
        """Multiply and add the bias."""
        return ops.cast(ops.matmul(x, self.kernel), "float32") + self.bias


class Prelu(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """max(x, 0) + slope * min(x, 0) with one slope for each channel: (..., channels) in and out.

    Args:
        mirrored: Whether no slope is above 1, which allows for the faster form.
        dtype: See `Dtype`.
    """

    def __init__(self, *, mirrored: bool, dtype: Dtype = "float32") -> None:
        """Weights come with the first input."""
        super().__init__(dtype=dtype)
        self.mirrored = mirrored

    def build(self, shape: Shape) -> None:
        """Weights: (channels,) slope, float32."""
        self.slope = _weight(self, "slope", (shape[-1],), "float32")
        self.mirrored = self.mirrored and len(shape) == 4 and (shape[-1] or 0) % _LANES == 0

    def call(self, x: Any) -> Any:
        """Bend."""
        slope = ops.convert_to_tensor(self.slope)
        if not ON_TENSORFLOW:
            return ops.relu(x) - ops.cast(slope, x.dtype) * ops.relu(-x)
        if self.mirrored and self.compute_dtype == "bfloat16":
            return x + _mirrored(x, slope - 1)
        return x + ops.cast(slope - 1, x.dtype) * ops.minimum(x, 0)


class PooledPrelu(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """The PReLU of channels that were max-pooled before it, so that it has fewer values to compute.

    Pooling and PReLU may change places where the slope is positive. With a negative slope the PReLU is
    max(x, slope * x) or 0, so it is largest at either the largest x or the largest slope * x: such channels come in
    twice, as they are and times their slope.

    Args:
        channels: Out.
        rising: How many of them have slopes >= 0; they are the first.
        dtype: See `Dtype`.
    """

    def __init__(self, channels: int, rising: int, *, dtype: Dtype = "float32") -> None:
        """Weights come with the first input."""
        super().__init__(dtype=dtype)
        self.channels, self.rising = channels, rising

    def build(self, shape: Shape) -> None:
        """Weights: (rising,) slope, float32."""
        self.slope = _weight(self, "slope", (self.rising,), "float32")

    def call(self, x: Any) -> Any:
        """(..., 2 * channels - rising) in, (..., channels) out."""
        x = ops.cast(x, "float32")  # TensorFlow is slow at single values of bfloat16
        falling = ops.relu(ops.maximum(x[..., self.rising : self.channels], x[..., self.channels :]))
        rising = x[..., : self.rising]
        rising = rising + (ops.convert_to_tensor(self.slope) - 1) * ops.minimum(rising, 0)
        return ops.cast(ops.concatenate([rising, falling], -1), self.compute_dtype)


def _weight(layer: Any, name: str, shape: Shape, dtype: str | None = None) -> Any:
    return layer.add_weight(shape=shape, name=name, dtype=dtype, trainable=False, initializer="zeros")


def _plus_bias(x: Any, bias: Any) -> Any:
    if not ON_TENSORFLOW:
        return x + ops.convert_to_tensor(bias)
    import tensorflow as tf

    return tf.nn.bias_add(x, ops.convert_to_tensor(bias))  # in no other form is it fused with the convolution


def _mirrored(x: Any, factor: Any) -> Any:
    """relu(factor * x), written as a normalisation, which TensorFlow computes in one vectorised pass.

    Multiplication and minimum of bfloat16 take TensorFlow longer than the convolution before them.
    """
    import tensorflow as tf

    zeros, ones = tf.zeros_like(factor), tf.ones_like(factor)
    scaled = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=factor, offset=zeros, mean=zeros, variance=ones, epsilon=0.0, is_training=False
    )
    return tf.nn.relu(scaled.y)
