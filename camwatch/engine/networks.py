"""The three networks of MTCNN, built from their weights for any batch size.

They answer as the networks of the `mtcnn` 1.0.0 package do, but eat pixels from 0 to 255: the package's
`(x - 127.5) / 128` is folded into the first convolution, exactly, because no convolution pads its input. Weights are
variables, not constants of the graph, of which TensorFlow makes copies while it optimizes. Each network is one
`tf.function` that is traced once, whatever the number and size of its inputs.

Importing this module loads TensorFlow: import it where a network is built.

Source of the architecture: Zhang et al., "Joint Face Detection and Alignment using Multitask Cascaded Convolutional
Networks", 2016, https://arxiv.org/abs/1604.02878.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.runtime import load_tensorflow
from camwatch.engine.weights import Arrays

tf = load_tensorflow()
from keras import Input, Model, layers  # noqa: E402  # only now is its backend chosen

Floats = NDArray[np.float32]

_MEAN, _SPREAD = 127.5, 128.0


class Prelu(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """max(x, 0) + slope * min(x, 0), one slope for each channel, in the form with the fewest passes over the data."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Weights: (channels,) slope - 1."""
        self.slope_less_one = self.add_weight(shape=(shape[-1],), name="slope_less_one", trainable=False)

    def call(self, x: Any) -> Any:
        """(..., channels) in and out."""
        return x + self.slope_less_one * tf.minimum(x, 0.0)


class PooledPrelu(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """The PReLU of channels that were max-pooled before it, so that it has fewer values to compute.

    Pooling and PReLU may change places where the slope is positive. With a negative slope the PReLU is largest at
    either the maximum or the minimum of the pooled values, so both are needed; the minimum comes in as the maximum
    of the negated channel.
    """

    def __init__(self, rising: int, falling: int) -> None:
        """Channels in: `rising` with slopes >= 0, `falling` with slopes < 0, then the falling ones negated."""
        super().__init__()
        self.sizes = [rising, falling, falling]

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Weights: (rising,) slope - 1 and (falling,) -slope."""
        self.slope_less_one = self.add_weight(shape=(self.sizes[0],), name="slope_less_one", trainable=False)
        self.negated_slope = self.add_weight(shape=(self.sizes[1],), name="negated_slope", trainable=False)

    def call(self, x: Any) -> Any:
        """(..., rising + 2 * falling) in, (..., rising + falling) out."""
        rising, highest, negated_lowest = tf.split(x, self.sizes, axis=-1)
        rising = rising + self.slope_less_one * tf.minimum(rising, 0.0)
        falling = tf.maximum(tf.nn.relu(highest), self.negated_slope * tf.nn.relu(negated_lowest))
        return tf.concat([rising, falling], axis=-1)


class ProposalNetwork:
    """P-Net: looks at every 12 x 12 window of a canvas, in steps of 2."""

    def __init__(self, arrays: Arrays) -> None:
        """Build from `MtcnnWeights.pnet`."""
        (first, second, third), heads = _take(arrays, heads=2)
        picture = Input((None, None, 3))
        x, order = _pooled_block(picture, *first)
        kernel, bias, slope = second
        x = _block(x, kernel[:, :, order], bias, slope)
        x = _block(x, *third)
        self.model = Model(picture, _conv(x, *_merge(heads)))
        self._run = tf.function(
            self._forward, input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)], autograph=False
        )

    def __call__(self, canvases: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Score all windows.

        Args:
            canvases: (n, height, width, 3) RGB, both sides at least 12.

        Returns:
            Box regression (n, rows, columns, 4) and face probability (n, rows, columns).
        """
        regression, probability = self._run(canvases)
        return regression.numpy(), probability.numpy()

    def _forward(self, canvases: Any) -> tuple[Any, Any]:
        out = self.model(tf.cast(canvases, tf.float32), training=False)
        return out[..., :4], tf.sigmoid(out[..., 4])


class CropNetwork:
    """R-Net or O-Net: looks at candidate boxes cut from pictures and scaled to one size."""

    def __init__(self, arrays: Arrays, *, side: int, heads: int, pools: Sequence[tuple[int, str]]) -> None:
        """Build from arrays of `MtcnnWeights`; `rnet` and `onet` know what to pass.

        Args:
            arrays: Parameters of the network.
            side: Crops are side x side pixels.
            heads: 2 for box and class, 3 with landmarks.
            pools: Window and padding of the max-pooling after each of the first convolutions.
        """
        blocks, ends = _take(arrays, heads=heads)
        picture = x = Input((side, side, 3))
        for number, block in enumerate(blocks[:-1]):
            x = _block(x, *block)
            if number < len(pools):
                window, padding = pools[number]
                x = layers.MaxPooling2D(window, 2, padding=padding)(x)
        self.model = Model(picture, _dense_end(x, blocks[-1], ends))
        self.side = side
        self._run = tf.function(
            self._forward,
            input_signature=[
                tf.TensorSpec((None, None, None, 3), tf.uint8),
                tf.TensorSpec((None, 4), tf.float32),
                tf.TensorSpec((None,), tf.int32),
            ],
            autograph=False,
        )

    def __call__(self, pictures: Any, boxes: Floats, owners: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """Score candidates.

        Args:
            pictures: (m, height, width, 3) uint8 RGB; a tensor from `on_cpu` where it is used more than once.
            boxes: (n, 4) y1, x1, y2, x2 as fractions of the picture; what lies outside is seen as grey.
            owners: (n,) the picture of each box.

        Returns:
            Regression (n, 4), with landmarks (n, 14): 5 x then 5 y after the box; and face probability (n,).
        """
        regression, probability = self._run(pictures, boxes, owners)
        return regression.numpy(), probability.numpy()

    def _forward(self, pictures: Any, boxes: Any, owners: Any) -> tuple[Any, Any]:
        with tf.device("/CPU:0"):  # bytes cannot be cropped on a GPU
            size = (self.side, self.side)
            crops = tf.image.crop_and_resize(pictures, boxes, owners, size, extrapolation_value=_MEAN)
        out = self.model(crops, training=False)
        return out[:, :-1], tf.sigmoid(out[:, -1])


def rnet(arrays: Arrays) -> CropNetwork:
    """Build R-Net, which refines 24 x 24 crops, from `MtcnnWeights.rnet`."""
    return CropNetwork(arrays, side=24, heads=2, pools=[(3, "same"), (3, "valid")])


def onet(arrays: Arrays) -> CropNetwork:
    """Build O-Net, which refines 48 x 48 crops and finds landmarks, from `MtcnnWeights.onet`."""
    return CropNetwork(arrays, side=48, heads=3, pools=[(3, "same"), (3, "valid"), (2, "same")])


def on_cpu(pictures: NDArray[np.uint8]) -> Any:
    """Pictures as a tensor in main memory, to be handed to networks more than once."""
    with tf.device("/CPU:0"):
        return tf.constant(pictures)


def _take(arrays: Arrays, *, heads: int) -> tuple[list[Arrays], list[Arrays]]:
    """Split a network's arrays into blocks (kernel, bias, slope) and heads (kernel, bias); fold the scaling in."""
    kernel, bias = arrays[:2]
    folded = (kernel / _SPREAD, bias - kernel.sum((0, 1, 2)) * (_MEAN / _SPREAD), *arrays[2:])
    end = len(folded) - 2 * heads
    blocks = [folded[i : i + 3] for i in range(0, end, 3)]
    return blocks, [folded[i : i + 2] for i in range(end, len(folded), 2)]


def _merge(heads: Sequence[Arrays]) -> tuple[Floats, Floats]:
    """One layer for all heads; of the two class logits only their difference, whose sigmoid is the softmax."""
    *regressions, (kernel, bias) = heads
    kernels = [head[0] for head in regressions] + [kernel[..., 1:] - kernel[..., :1]]
    biases = [head[1] for head in regressions] + [bias[1:] - bias[:1]]
    return np.concatenate(kernels, -1), np.concatenate(biases)


def _pooled_block(x: Any, kernel: Floats, bias: Floats, slope: Floats) -> tuple[Any, NDArray[np.intp]]:
    """Convolution, max-pooling by 2, PReLU; also returns the order in which the channels come out.

    Worth it for P-Net only, whose 10 channels (6 of them falling) become the 16 that a CPU computes just as fast.
    """
    slope = slope.reshape(-1)
    order = np.argsort(slope < 0, kind="stable")
    rising = int((slope >= 0).sum())
    kernel, bias, slope = kernel[..., order], bias[order], slope[order]
    kernel = np.concatenate([kernel, -kernel[..., rising:]], -1)
    bias = np.concatenate([bias, -bias[rising:]])
    x = layers.MaxPooling2D(2, 2, padding="same")(_conv(x, kernel, bias))
    activation = PooledPrelu(rising, len(slope) - rising)
    return _weighted(activation, x, slope[:rising] - 1, -slope[rising:]), order


def _block(x: Any, kernel: Floats, bias: Floats, slope: Floats) -> Any:
    return _prelu(_conv(x, kernel, bias), slope)


def _dense_end(x: Any, block: Arrays, heads: Sequence[Arrays]) -> Any:
    """Flatten, dense layer, PReLU, heads."""
    kernel, bias, slope = block
    _, height, width, channels = x.shape
    # the package flattens column by column: put the rows of its matrix in the usual order instead
    by_row = kernel.reshape(width, height, channels, -1).transpose(1, 0, 2, 3).reshape(kernel.shape)
    x = _prelu(_dense(layers.Flatten()(x), by_row, bias), slope)
    return _dense(x, *_merge(heads))


def _conv(x: Any, kernel: Floats, bias: Floats) -> Any:
    return _weighted(layers.Conv2D(kernel.shape[-1], kernel.shape[:2]), x, kernel, bias)


def _dense(x: Any, kernel: Floats, bias: Floats) -> Any:
    return _weighted(layers.Dense(kernel.shape[-1]), x, kernel, bias)


def _prelu(x: Any, slope: Floats) -> Any:
    return _weighted(Prelu(), x, slope.reshape(-1) - 1)


def _weighted(layer: Any, x: Any, *values: Floats) -> Any:
    """Apply a new layer, which creates its variables, and fill them."""
    out = layer(x)
    layer.set_weights(list(values))
    return out
