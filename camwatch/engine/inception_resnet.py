"""InceptionResnetV1, the network that turns a face chip into a 512-d embedding.

The architecture is one table (`STEM`, `BLOCKS`, `BOTTLENECK`), from which both the list of layers that a weights
file must hold and the forward pass follow. Batch norm and the scales of the residual blocks are expected to be
folded into the weights already (`frozen_graph` does so). TensorFlow is imported where the network is built, not
with this module.

Sources: Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning"
(arXiv:1602.07261), in the variant of davidsandberg/facenet that its 2018 weights use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHIP_SIZE = 160
EMBEDDING_SIZE = 512


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution followed by a bias and, unless it is the projection of a residual block, by ReLU."""

    name: str
    height: int
    width: int
    channels: int
    stride: int = 1
    padding: str = "SAME"


@dataclass(frozen=True, slots=True)
class Block:
    """Parallel branches on one input, concatenated.

    Attributes:
        project: Channels of the 1x1 projection that is added back to the input; None where the branches'
            concatenation is the output (a reduction block, which also has a max-pool branch, its last).
        relu: Whether the sum passes a ReLU.
    """

    name: str
    branches: tuple[tuple[Conv, ...], ...]
    project: int | None = None
    relu: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Weights of one layer, float32: (height, width, in, out) or (in, out); bias (out,)."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def _block35(name: str) -> Block:
    return Block(
        name,
        (
            (Conv("Branch_0/Conv2d_1x1", 1, 1, 32),),
            (Conv("Branch_1/Conv2d_0a_1x1", 1, 1, 32), Conv("Branch_1/Conv2d_0b_3x3", 3, 3, 32)),
            (
                Conv("Branch_2/Conv2d_0a_1x1", 1, 1, 32),
                Conv("Branch_2/Conv2d_0b_3x3", 3, 3, 32),
                Conv("Branch_2/Conv2d_0c_3x3", 3, 3, 32),
            ),
        ),
        project=256,
    )


def _block17(name: str) -> Block:
    return Block(
        name,
        (
            (Conv("Branch_0/Conv2d_1x1", 1, 1, 128),),
            (
                Conv("Branch_1/Conv2d_0a_1x1", 1, 1, 128),
                Conv("Branch_1/Conv2d_0b_1x7", 1, 7, 128),
                Conv("Branch_1/Conv2d_0c_7x1", 7, 1, 128),
            ),
        ),
        project=896,
    )


def _block8(name: str, *, relu: bool = True) -> Block:
    return Block(
        name,
        (
            (Conv("Branch_0/Conv2d_1x1", 1, 1, 192),),
            (
                Conv("Branch_1/Conv2d_0a_1x1", 1, 1, 192),
                Conv("Branch_1/Conv2d_0b_1x3", 1, 3, 192),
                Conv("Branch_1/Conv2d_0c_3x1", 3, 1, 192),
            ),
        ),
        project=1792,
        relu=relu,
    )


_REDUCE_A = Block(
    "Mixed_6a",
    (
        (Conv("Branch_0/Conv2d_1a_3x3", 3, 3, 384, 2, "VALID"),),
        (
            Conv("Branch_1/Conv2d_0a_1x1", 1, 1, 192),
            Conv("Branch_1/Conv2d_0b_3x3", 3, 3, 192),
            Conv("Branch_1/Conv2d_1a_3x3", 3, 3, 256, 2, "VALID"),
        ),
    ),
)
_REDUCE_B = Block(
    "Mixed_7a",
    (
        (Conv("Branch_0/Conv2d_0a_1x1", 1, 1, 256), Conv("Branch_0/Conv2d_1a_3x3", 3, 3, 384, 2, "VALID")),
        (Conv("Branch_1/Conv2d_0a_1x1", 1, 1, 256), Conv("Branch_1/Conv2d_1a_3x3", 3, 3, 256, 2, "VALID")),
        (
            Conv("Branch_2/Conv2d_0a_1x1", 1, 1, 256),
            Conv("Branch_2/Conv2d_0b_3x3", 3, 3, 256),
            Conv("Branch_2/Conv2d_1a_3x3", 3, 3, 256, 2, "VALID"),
        ),
    ),
)

STEM = (
    Conv("Conv2d_1a_3x3", 3, 3, 32, 2, "VALID"),
    Conv("Conv2d_2a_3x3", 3, 3, 32, 1, "VALID"),
    Conv("Conv2d_2b_3x3", 3, 3, 64),
    Conv("Conv2d_3b_1x1", 1, 1, 80, 1, "VALID"),
    Conv("Conv2d_4a_3x3", 3, 3, 192, 1, "VALID"),
    Conv("Conv2d_4b_3x3", 3, 3, 256, 2, "VALID"),
)
POOL_AFTER = "Conv2d_2b_3x3"
BLOCKS = (
    *(_block35(f"Repeat/block35_{i}") for i in range(1, 6)),
    _REDUCE_A,
    *(_block17(f"Repeat_1/block17_{i}") for i in range(1, 11)),
    _REDUCE_B,
    *(_block8(f"Repeat_2/block8_{i}") for i in range(1, 6)),
    _block8("Block8", relu=False),
)
PROJECTION = "Conv2d_1x1"
BOTTLENECK = "Bottleneck"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a weights file must hold for one layer.

    `block` is the residual block that a projection belongs to, whose scale multiplies it; None elsewhere.
    """

    name: str
    shape: tuple[int, ...]
    stride: int
    padding: str
    block: str | None = None


def layers() -> Iterator[Spec]:
    """Every layer of the network in the order of the data, with the shape of its weights."""
    channels = 3
    for conv in STEM:
        yield Spec(conv.name, (conv.height, conv.width, channels, conv.channels), conv.stride, conv.padding)
        channels = conv.channels
    for block in BLOCKS:
        joined = 0
        for branch in block.branches:
            inner = channels
            for conv in branch:
                shape = (conv.height, conv.width, inner, conv.channels)
                yield Spec(f"{block.name}/{conv.name}", shape, conv.stride, conv.padding)
                inner = conv.channels
            joined += inner
        if block.project is None:
            channels += joined
        else:
            yield Spec(f"{block.name}/{PROJECTION}", (1, 1, joined, block.project), 1, "SAME", block.name)
    yield Spec(BOTTLENECK, (channels, EMBEDDING_SIZE), 1, "")


class InceptionResnetV1:
    """The network with its weights in `tf.Variable`s: constants in the graph would be copied several times over.

    Args:
        weights: A `Layer` for every name that `layers()` yields, folded.
    """

    def __init__(self, weights: Mapping[str, Layer]) -> None:
        """Copy the arrays into variables on TensorFlow's default device."""
        import tensorflow as tf

        self._variables = {
            spec.name: (
                tf.Variable(weights[spec.name].weights, trainable=False),
                tf.Variable(weights[spec.name].bias, trainable=False),
            )
            for spec in layers()
        }

    def __call__(self, pixels: Any) -> Any:
        """Embed a batch.

        Args:
            pixels: Tensor (n, 160, 160, 3), RGB, uint8 or float in 0..255.

        Returns:
            Tensor (n, 512) float32, unit rows.
        """
        import tensorflow as tf

        net = (tf.cast(pixels, tf.float32) - 127.5) / 128.0
        for conv in STEM:
            net = tf.nn.relu(self._conv(net, conv.name, conv.stride, conv.padding))
            if conv.name == POOL_AFTER:
                net = tf.nn.max_pool2d(net, 3, 2, "VALID")
        for block in BLOCKS:
            net = self._block(net, block)
        weights, bias = self._variables[BOTTLENECK]
        net = tf.matmul(tf.reduce_mean(net, (1, 2)), weights) + bias
        return tf.math.l2_normalize(net, axis=1, epsilon=1e-10)

    def _conv(self, net: Any, name: str, stride: int, padding: str) -> Any:
        import tensorflow as tf

        weights, bias = self._variables[name]
        return tf.nn.bias_add(tf.nn.conv2d(net, weights, stride, padding), bias)

    def _block(self, net: Any, block: Block) -> Any:
        import tensorflow as tf

        outputs = []
        for branch in block.branches:
            out = net
            for conv in branch:
                out = tf.nn.relu(self._conv(out, f"{block.name}/{conv.name}", conv.stride, conv.padding))
            outputs.append(out)
        if block.project is None:
            return tf.concat([*outputs, tf.nn.max_pool2d(net, 3, 2, "VALID")], axis=3)
        net = net + self._conv(tf.concat(outputs, axis=3), f"{block.name}/{PROJECTION}", 1, "SAME")
        return tf.nn.relu(net) if block.relu else net
