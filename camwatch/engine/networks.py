"""The four networks, described once: P-, R- and O-Net of MTCNN, and FaceNet.

A description is a function that calls the steps of a `Builder` in the order of the data. One builder makes Keras
models of them (`keras_builder`), another OpenVINO models (`openvino_builder`); this module needs neither.

All networks eat pixels from 0 to 255, uint8 RGB, and answer in float32. The `mtcnn` 1.0.0 package begins with
`(x - 127.5) / 128`. Here MTCNN's networks compute x - 128, which is exact in bfloat16 too; the rest is folded into the
first convolution, exactly, because no convolution pads its input.

Sources: Zhang et al., "Joint Face Detection and Alignment using Multitask Cascaded Convolutional Networks", 2016,
https://arxiv.org/abs/1604.02878; for FaceNet see `inception_resnet`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.inception_resnet import (
    BLOCKS,
    BOTTLENECK,
    CHIP_SIZE,
    POOL_AFTER,
    PROJECTION,
    STEM,
    Block,
    Layer,
)
from camwatch.engine.weights import Arrays

Floats = NDArray[np.float32]
Padding = Literal["same", "valid"]
Node = Any
"""What a builder's steps pass on: a tensor of a graph that is being built."""

_MEAN, _SPREAD = 127.5, 128.0
_MIDDLE = 128.0


class Builder(Protocol):
    """Makes a model out of steps. Kernels are (height, width, in, out); pictures are (n, height, width, channels)."""

    def pixels(self, height: int | None, width: int | None) -> Node:
        """The input: (n, height, width, 3) uint8; None for a side of any length."""

    def standardized(self, x: Node, mean: float, spread: float) -> Node:
        """(x - mean) / spread."""

    def conv(
        self, x: Node, kernel: Floats, bias: Floats, *, stride: int = 1, padding: Padding = "valid", relu: bool = False
    ) -> Node:
        """Convolution and bias; then max(x, 0), where `relu` is set."""

    def prelu(self, x: Node, slope: Floats) -> Node:
        """max(x, 0) + slope * min(x, 0), slope (channels,)."""

    def prelu_pooled(self, x: Node, block: Arrays, window: int, padding: Padding) -> tuple[Node, NDArray[np.intp]]:
        """Convolution (kernel, bias), PReLU (slope) and max-pooling by 2; and the order that the channels come in."""

    def max_pool(self, x: Node, window: int, padding: Padding = "valid") -> Node:
        """The largest of each window, in steps of 2."""

    def dense(self, x: Node, kernel: Floats, bias: Floats) -> Node:
        """(n, height, width, in) with a kernel (height, width, in, out), or (n, in) with (in, out), to (n, out)."""

    def concat(self, parts: Sequence[Node]) -> Node:
        """Channels side by side."""

    def add(self, x: Node, y: Node, *, relu: bool) -> Node:
        """x + y; then max(x, 0), where `relu` is set."""

    def mean(self, x: Node) -> Node:
        """(n, height, width, channels) to (n, channels)."""

    def unit(self, x: Node) -> Node:
        """Rows (n, k) made unit length."""

    def finish(self, pixels: Node, out: Node) -> Any:
        """The model from `pixels` to `out`, float32."""


def pnet(build: Builder, arrays: Arrays) -> Any:
    """P-Net: looks at every 12 x 12 window of a canvas, in steps of 2.

    Args:
        build: Makes the model.
        arrays: `MtcnnWeights.pnet`.

    Returns:
        (n, height, width, 3) uint8 RGB to (n, rows, columns, 5): box regression, logit of a face.
    """
    (first, second, third), heads = _take(arrays, heads=2)
    pixels = build.pixels(None, None)
    x, order = build.prelu_pooled(build.standardized(pixels, _MIDDLE, 1), first, 2, "same")
    x = _block(build, x, (second[0][:, :, order], *second[1:]))
    x = _block(build, x, third)
    return build.finish(pixels, build.conv(x, *_merge(heads)))


def rnet(build: Builder, arrays: Arrays) -> Any:
    """R-Net: refines candidates.

    Args:
        build: Makes the model.
        arrays: `MtcnnWeights.rnet`.

    Returns:
        Crops (n, 24, 24, 3) uint8 RGB to (n, 5): box regression, logit of a face.
    """
    (first, second, third, dense), heads = _take(arrays, heads=2)
    pixels = build.pixels(24, 24)
    x, order = build.prelu_pooled(build.standardized(pixels, _MIDDLE, 1), first, 3, "same")
    x = build.max_pool(_block(build, x, (second[0][:, :, order], *second[1:])), 3)
    x = _block(build, x, third)
    return build.finish(pixels, _dense_end(build, x, dense, heads, side=3))


def onet(build: Builder, arrays: Arrays) -> Any:
    """O-Net: refines candidates again and finds landmarks.

    Args:
        build: Makes the model.
        arrays: `MtcnnWeights.onet`.

    Returns:
        Crops (n, 48, 48, 3) uint8 RGB to (n, 15): box regression, 5 x and 5 y of landmarks, logit of a face.
    """
    (first, second, third, fourth, dense), heads = _take(arrays, heads=3)
    pixels = build.pixels(48, 48)
    x = build.max_pool(_block(build, build.standardized(pixels, _MIDDLE, 1), first), 3, "same")
    x = build.max_pool(_block(build, x, second), 3)
    x = build.max_pool(_block(build, x, third), 2, "same")
    x = _block(build, x, fourth)
    return build.finish(pixels, _dense_end(build, x, dense, heads, side=3))


def facenet(build: Builder, weights: Mapping[str, Layer]) -> Any:
    """FaceNet (InceptionResnetV1).

    Args:
        build: Makes the model.
        weights: A `Layer` for every name that `inception_resnet.layers()` yields, batch norm and scales folded.

    Returns:
        Chips (n, 160, 160, 3) uint8 RGB to (n, 512) unit rows.
    """

    def conv(x: Node, name: str, stride: int = 1, padding: str = "SAME", *, relu: bool = True) -> Node:
        layer = weights[name]
        same: Padding = "same" if padding == "SAME" else "valid"
        return build.conv(x, layer.weights, layer.bias, stride=stride, padding=same, relu=relu)

    def block(x: Node, spec: Block) -> Node:
        outputs = []
        for branch in spec.branches:
            out = x
            for part in branch:
                out = conv(out, f"{spec.name}/{part.name}", part.stride, part.padding)
            outputs.append(out)
        if spec.project is None:
            return build.concat([*outputs, build.max_pool(x, 3)])
        return build.add(x, conv(build.concat(outputs), f"{spec.name}/{PROJECTION}", relu=False), relu=spec.relu)

    pixels = build.pixels(CHIP_SIZE, CHIP_SIZE)
    x = build.standardized(pixels, _MEAN, _SPREAD)
    for stem in STEM:
        x = conv(x, stem.name, stem.stride, stem.padding)
        if stem.name == POOL_AFTER:
            x = build.max_pool(x, 3)
    for spec in BLOCKS:
        x = block(x, spec)
    bottleneck = weights[BOTTLENECK]
    return build.finish(pixels, build.unit(build.dense(build.mean(x), bottleneck.weights, bottleneck.bias)))


def _take(arrays: Arrays, *, heads: int) -> tuple[list[Arrays], list[Arrays]]:
    """Split a network's arrays into blocks (kernel, bias, slope) and heads (kernel, bias); fold the scaling in."""
    kernel, bias = arrays[:2]
    folded = (kernel / _SPREAD, bias + kernel.sum((0, 1, 2)) * ((_MIDDLE - _MEAN) / _SPREAD), *arrays[2:])
    end = len(folded) - 2 * heads
    blocks: list[Arrays] = [(folded[i], folded[i + 1], folded[i + 2].reshape(-1)) for i in range(0, end, 3)]
    return blocks, [folded[i : i + 2] for i in range(end, len(folded), 2)]


def _merge(heads: Sequence[Arrays]) -> tuple[Floats, Floats]:
    """One layer for all heads; of the two class logits only their difference, whose sigmoid is the softmax.

    The sigmoid is taken later, of the few that are looked at.
    """
    *regressions, (kernel, bias) = heads
    kernels = [head[0] for head in regressions] + [kernel[..., 1:] - kernel[..., :1]]
    biases = [head[1] for head in regressions] + [bias[1:] - bias[:1]]
    return np.concatenate(kernels, -1), np.concatenate(biases)


def _block(build: Builder, x: Node, block: Arrays) -> Node:
    kernel, bias, slope = block
    return build.prelu(build.conv(x, kernel, bias), slope)


def _dense_end(build: Builder, x: Node, block: Arrays, heads: Sequence[Arrays], *, side: int) -> Node:
    """Dense layer over the last side x side pixels, PReLU, heads."""
    kernel, bias, slope = block
    # the package flattens column by column, so its matrix has its rows in the order width, height, channels
    by_row = kernel.reshape(side, side, -1, bias.size).transpose(1, 0, 2, 3)
    x = build.prelu(build.dense(x, np.ascontiguousarray(by_row), bias), slope)
    return build.dense(x, *_merge(heads))
