"""The part of TensorFlow's graph format that weights are read from, without TensorFlow.

A frozen graph is a protocol buffer of type `GraphDef`. The messages below name only the fields that are needed, by
their numbers in graph.proto, node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto of
https://github.com/tensorflow/tensorflow/tree/master/tensorflow/core/framework; a parser skips all others.
"""

from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

_PACKAGE = "camwatch.graph"
_MESSAGES: dict[str, tuple[tuple[str, int, str], ...]] = {
    # name: (field, number, type), "*" for repeated
    "Dim": (("size", 1, "int64"),),
    "Shape": (("dim", 2, "Dim*"),),
    "Tensor": (("dtype", 1, "int32"), ("tensor_shape", 2, "Shape"), ("content", 4, "bytes"), ("floats", 5, "float*")),
    "List": (("i", 3, "int64*"),),
    "Value": (("list", 1, "List"), ("s", 2, "bytes"), ("f", 4, "float"), ("tensor", 8, "Tensor")),
    "Attribute": (("key", 1, "string"), ("value", 2, "Value")),
    "Node": (("name", 1, "string"), ("op", 2, "string"), ("input", 3, "string*"), ("attributes", 5, "Attribute*")),
    "Graph": (("node", 1, "Node*"),),
}


@cache
def _graph_class() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="camwatch/graph.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            one = kind.removesuffix("*")
            field = described.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if one != kind else kinds.LABEL_OPTIONAL
            if one in _MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{_PACKAGE}.{one}"
            else:
                field.type = getattr(kinds, f"TYPE_{one.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Graph"))


def parse(data: bytes) -> list[Any]:
    """The nodes of a graph, with `name`, `op`, `input` and `attributes`.

    Raises:
        google.protobuf.message.DecodeError: It is no graph.
    """
    graph = _graph_class()()
    graph.ParseFromString(data)
    return list(graph.node)


def attribute(node: Any, key: str) -> Any:
    """An attribute's value; an empty one where the node has none of that name."""
    for each in node.attributes:
        if each.key == key:
            return each.value
    return _empty(node)


def _empty(node: Any) -> Any:
    added = type(node)()
    return added.attributes.add().value


def floats(tensor: Any) -> NDArray[np.float32]:
    """The values of a float32 tensor; a list shorter than the shape goes on with its last value, as TensorFlow's does.

    Raises:
        ValueError: They do not fill the shape.
    """
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    size = int(np.prod(shape))
    if tensor.content:
        return np.frombuffer(tensor.content, "<f4").reshape(shape).astype(np.float32)
    given = np.array(tensor.floats, np.float32)
    if not 0 < given.size <= max(size, 1):
        raise ValueError(f"{given.size} values for {list(shape)}")
    return np.concatenate([given, np.full(size - given.size, given[-1])]).reshape(shape)
