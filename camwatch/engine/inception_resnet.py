"""InceptionResnetV1, the network that turns a face chip into a 512-d embedding.

The architecture is one table (`STEM`, `BLOCKS`, `BOTTLENECK`), from which both the list of layers that a weights
file must hold and the forward pass (`networks.facenet`) follow. Batch norm and the scales of the residual blocks are
expected to be folded into the weights already (`frozen_graph` does so).

Sources: Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning"
(arXiv:1602.07261), in the variant of davidsandberg/facenet that its 2018 weights use.
"""

from collections.abc import Iterator
from dataclasses import dataclass

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
