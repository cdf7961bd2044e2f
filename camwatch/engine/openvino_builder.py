"""Networks as OpenVINO models.

Operations: https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets/available-opsets.html.
Pictures come in as rows of RGB pixels and are turned to (n, channels, height, width) once, which is the order that
OpenVINO's convolutions want.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.networks import Floats, Node, Padding
from camwatch.engine.openvino_import import opset1, ov
from camwatch.engine.openvino_import import opset13 as ops
from camwatch.engine.weights import Arrays


class OpenVinoBuilder:
    """A `networks.Builder` that makes `openvino.Model`s of float32; a lower precision comes with their compilation."""

    def pixels(self, height: int | None, width: int | None) -> Node:
        """See `Builder.pixels`."""
        shape = ov.PartialShape([-1, height or -1, width or -1, 3])
        return ops.parameter(shape, ov.Type.u8, name="pixels")

    def standardized(self, x: Node, mean: float, spread: float) -> Node:
        """See `Builder.standardized`."""
        return ops.divide(ops.subtract(_planes(x), np.float32(mean)), np.float32(spread))

    def conv(
        self, x: Node, kernel: Floats, bias: Floats, *, stride: int = 1, padding: Padding = "valid", relu: bool = False
    ) -> Node:
        """See `Builder.conv`."""
        filters = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        nothing = [0, 0]
        x = ops.convolution(_planes(x), filters, [stride, stride], nothing, nothing, [1, 1], auto_pad=_padding(padding))
        x = ops.add(x, bias.reshape(1, -1, 1, 1))
        return ops.relu(x) if relu else x

    def prelu(self, x: Node, slope: Floats) -> Node:
        """See `Builder.prelu`."""
        return ops.prelu(x, slope)

    def prelu_pooled(self, x: Node, block: Arrays, window: int, padding: Padding) -> tuple[Node, NDArray[np.intp]]:
        """See `Builder.prelu_pooled`."""
        kernel, bias, slope = block
        return self.max_pool(self.prelu(self.conv(x, kernel, bias), slope), window, padding), np.arange(slope.size)

    def max_pool(self, x: Node, window: int, padding: Padding = "valid") -> Node:
        """See `Builder.max_pool`."""
        nothing = [0, 0]
        # of the first operation set: later ones also answer where the largest was
        return opset1.max_pool(x, [2, 2], nothing, nothing, [window, window], "floor", _padding(padding))

    def dense(self, x: Node, kernel: Floats, bias: Floats) -> Node:
        """See `Builder.dense`."""
        if kernel.ndim == 4:
            kernel = kernel.transpose(2, 0, 1, 3).reshape(-1, bias.size)
            x = ops.reshape(x, np.array([0, kernel.shape[0]], np.int64), special_zero=True)
        return ops.add(ops.matmul(x, np.ascontiguousarray(kernel), False, False), bias.reshape(1, -1))

    def concat(self, parts: Sequence[Node]) -> Node:
        """See `Builder.concat`."""
        return parts[0] if len(parts) == 1 else ops.concat(list(parts), 1)

    def add(self, x: Node, y: Node, *, relu: bool) -> Node:
        """See `Builder.add`."""
        total = ops.add(x, y)
        return ops.relu(total) if relu else total

    def mean(self, x: Node) -> Node:
        """See `Builder.mean`."""
        return ops.reduce_mean(x, np.array([2, 3], np.int64), keep_dims=False)

    def unit(self, x: Node) -> Node:
        """See `Builder.unit`."""
        return ops.normalize_l2(x, np.array([1], np.int64), 1e-10, "max")

    def finish(self, pixels: Node, out: Node) -> Any:
        """See `Builder.finish`."""
        if out.get_output_partial_shape(0).rank.get_length() == 4:
            out = ops.transpose(out, np.array([0, 2, 3, 1], np.int64))
        return ov.Model([ops.result(out)], [pixels], "camwatch")


def _planes(x: Node) -> Node:
    """The input as float32 planes; anything else as it is."""
    if x.get_type_name() != "Parameter":
        return x
    return ops.transpose(ops.convert(x, "f32"), np.array([0, 3, 1, 2], np.int64))


def _padding(padding: Padding) -> str:
    return "same_upper" if padding == "same" else "valid"
