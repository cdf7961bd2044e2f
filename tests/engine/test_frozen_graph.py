import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camwatch.engine import frozen_graph
from camwatch.engine.facenet import FaceEmbedder
from camwatch.engine.frozen_graph import read_frozen_graph
from camwatch.engine.graph_messages import attribute, floats, parse
from camwatch.engine.inception_resnet import layers
from camwatch.engine.weights import facenet_graph_path
from camwatch.errors import WeightsError

pytestmark = pytest.mark.weights

# coarse patterns: fine noise averages out in a network of random weights, and all pictures would look alike
PIXELS = np.random.default_rng(3).integers(0, 256, (3, 4, 4, 3)).astype(np.uint8).repeat(40, 1).repeat(40, 2)
STANDARDIZED = (PIXELS.astype(np.float32) - 127.5) / 128


def frozen(path: Path, **options: Any) -> np.ndarray:
    """Write a graph that the freeze script could have made; its own embeddings of `PIXELS`."""
    import tensorflow as tf

    from tests.engine.slim_graph import SlimGraph

    with tf.Graph().as_default() as graph:
        slim = SlimGraph(**options)
        path.write_bytes(graph.as_graph_def().SerializeToString())
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(slim.embeddings, {slim.input: STANDARDIZED, slim.phase_train: False})


@pytest.mark.parametrize(
    "options",
    [{"fused": True}, {"fused": False, "gamma": True, "epsilon": 0.02}],
    ids=["switched-fused", "plain-operations-with-gamma"],
)
def test_a_graph_as_facenet_freezes_it_gives_its_own_embeddings(tmp_path: Path, options: Any) -> None:
    expected = frozen(tmp_path / "20180402-114759.pb", **options)

    found = FaceEmbedder(tmp_path / "20180402-114759.pb").embed(PIXELS)

    assert np.ptp(expected, axis=0).max() > 0.01, "the pictures are too alike for this graph to tell anything"
    assert np.abs(found - expected).max() < 1e-6


def test_the_packaged_graph_has_every_layer_once_with_finite_values() -> None:
    network = read_frozen_graph(facenet_graph_path())

    specs = list(layers())
    assert len(specs) == len(network.layers) == 133
    for spec in specs:
        layer = network.layers[spec.name]
        assert layer.weights.shape == spec.shape
        assert layer.bias.shape == spec.shape[-1:]
        assert layer.weights.dtype == layer.bias.dtype == np.float32


def test_what_is_not_a_graph_is_one_clear_line(tmp_path: Path) -> None:
    contents = {
        "empty.pb": (b"", "is empty"),
        "text.pb": (b"a letter to nobody\n" * 99, "not a TensorFlow frozen graph, or one cut short"),
        "model.h5": (b"\x89HDF\r\n\x1a\n" + bytes(999), "not a TensorFlow frozen graph, or one cut short"),
        "zeros.pb": (bytes(100), "not a TensorFlow frozen graph, or one cut short"),
    }
    for name, (content, reason) in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=reason) as caught:
            read_frozen_graph(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_a_packaged_graph_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.pb"
    path.write_bytes(facenet_graph_path().read_bytes()[:50_000_000])

    with pytest.raises(WeightsError, match=r"half\.pb: .*cut short"):
        read_frozen_graph(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.pb: cannot be read: No such file"):
        read_frozen_graph(tmp_path / "absent.pb")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read_frozen_graph(tmp_path)


def test_another_network_is_refused(tmp_path: Path) -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="MobilenetV1/Conv2d_0/weights", op="Const")
    path = tmp_path / "mobilenet.pb"
    path.write_bytes(graph.SerializeToString())

    with pytest.raises(WeightsError, match="holds no InceptionResnetV1"):
        read_frozen_graph(path)


def first_layer(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A graph with the first layer only, changed in one way; reading stops at what is wrong with it."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        value = tf.compat.v1.placeholder(tf.float32, (None, 160, 160, 3))
        arrays: dict[str, Any] = {
            "weights": np.ones((3, 3, 3, 32), np.float32),
            "BatchNorm/beta": np.zeros(32, np.float32),
            "BatchNorm/moving_mean": np.zeros(32, np.float32),
            "BatchNorm/moving_variance": np.ones(32, np.float32),
            "stride": 2,
        }
        change(arrays)
        stride = arrays.pop("stride")
        scope = "InceptionResnetV1/Conv2d_1a_3x3"
        made = {name: tf.constant(array, name=f"{scope}/{name}") for name, array in arrays.items()}
        if made["weights"].dtype == tf.float32:
            tf.nn.conv2d(value, made["weights"], stride, "VALID", name=f"{scope}/Conv2D")
        path.write_bytes(graph.as_graph_def().SerializeToString())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: None, "or cut short: it has no InceptionResnetV1/Conv2d_2a_3x3/weights"),
        (lambda a: a.update(weights=np.ones((3, 3, 3, 64), np.float32)), "weights is .3, 3, 3, 64., not float32"),
        (lambda a: a.update(weights=np.ones((3, 3, 3, 32))), "weights is .3, 3, 3, 32., not float32"),
        (lambda a: a.update(stride=1), "has strides .1, 1, 1, 1., VALID, NHWC"),
        (lambda a: a["weights"].__setitem__((0, 0, 0, 0), np.nan), "values of .*weights are damaged"),
        (lambda a: a["weights"].fill(3e38), "values of .*weights are damaged"),
        (lambda a: a["BatchNorm/moving_variance"].fill(-1), "moving_variance are damaged"),
        (lambda a: a.pop("BatchNorm/moving_mean"), "has no .*moving_mean"),
        (lambda a: a.pop("BatchNorm/moving_variance"), "neither batch norm nor a bias"),
    ],
    ids=["other", "shape", "float64", "stride", "nan", "huge", "variance", "mean", "bias"],
)
def test_a_graph_that_differs_is_told_how(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    first_layer(tmp_path / "odd.pb", change)

    with pytest.raises(WeightsError, match=rf"odd\.pb: .*{reason}"):
        read_frozen_graph(tmp_path / "odd.pb")


def test_the_older_network_with_128_numbers_is_refused(tmp_path: Path) -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef.FromString(facenet_graph_path().read_bytes())
    [bottleneck] = [node for node in graph.node if node.name == "InceptionResnetV1/Bottleneck/weights"]
    bottleneck.attr["value"].tensor.tensor_shape.dim[1].size = 128
    path = tmp_path / "20170512-110547.pb"
    path.write_bytes(graph.SerializeToString())

    with pytest.raises(WeightsError, match=r"Bottleneck/weights is \[1792, 128\], not float32 \[1792, 512\]"):
        read_frozen_graph(path)


@pytest.mark.parametrize("options", [{"fused": True}, {"fused": False, "gamma": True}], ids=["fused", "plain"])
def test_whatever_bit_is_flipped_there_is_one_clear_line_or_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any
) -> None:
    scopes = ("Conv2d_1a_3x3", "Repeat/block35_1/Conv2d_1x1")  # one with batch norm, one with a bias and a scale
    monkeypatch.setattr(frozen_graph, "layers", lambda: [each for each in layers() if each.name in scopes])
    data = skeleton(tuple(f"InceptionResnetV1/{each}" for each in (*scopes, "Repeat/block35_1/mul")), options)
    path = tmp_path / "flipped.pb"
    path.write_bytes(data)
    assert len(read_frozen_graph(path).layers) == 2
    adding = data.index(b"Conv2d_1x1/BiasAdd") * 8
    refused = 0
    for place in [*range(0, len(data) * 8, 13), *range(adding, adding + 200 * 8)]:
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            read_frozen_graph(path)
        except WeightsError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ")
            assert str(error).isprintable()
    assert refused > 500


def skeleton(scopes: tuple[str, ...], options: Any) -> bytes:
    """Some layers of a graph, with one value for all of each array: hardly a byte says nothing."""
    import tensorflow as tf
    from tensorflow.core.framework.graph_pb2 import GraphDef

    from tests.engine.slim_graph import SlimGraph

    with tf.Graph().as_default() as graph:
        SlimGraph(**options)
        whole = graph.as_graph_def()
    kept = GraphDef()
    for node in whole.node:
        if node.name.startswith(scopes):
            kept.node.append(node)
            tensor = kept.node[-1].attr["value"].tensor
            if node.op == "Const" and len(tensor.tensor_content) > 64:
                tensor.ClearField("tensor_content")
                tensor.float_val.append(0.5)
    return kept.SerializeToString()


def tensor_bytes(values: int, shape: tuple[int, ...]) -> Any:
    """A float32 tensor whose list holds this many values: TensorFlow's message."""
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    tensor = TensorProto(dtype=1, float_val=np.arange(1, values + 1))
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


@pytest.mark.parametrize(("values", "shape"), [(1, (2, 3)), (4, (2, 3)), (6, (2, 3)), (1, ()), (1, (5,))])
def test_lists_of_floats_are_read_as_tensorflow_reads_them(values: int, shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    tensor = tensor_bytes(values, shape)
    np.testing.assert_array_equal(floats(ours(tensor)), tf.make_ndarray(tensor))


@pytest.mark.parametrize(("values", "shape"), [(0, (2, 3)), (7, (2, 3)), (2, ())])
def test_lists_that_do_not_fit_are_refused(values: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"^{values} values for "):
        floats(ours(tensor_bytes(values, shape)))


def ours(tensor: Any) -> Any:
    """TensorFlow's tensor, in a graph, as read without TensorFlow."""
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="a", op="Const").attr["value"].tensor.CopyFrom(tensor)
    [node] = parse(graph.SerializeToString())
    assert (node.name, node.op) == ("a", "Const")
    assert attribute(node, "no such").f == 0
    return attribute(node, "value").tensor


def test_content_of_another_length_than_its_shape_is_damage(tmp_path: Path) -> None:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef.FromString(facenet_graph_path().read_bytes())
    [node] = [node for node in graph.node if node.name == "InceptionResnetV1/Conv2d_1a_3x3/weights"]
    content = node.attr["value"].tensor.tensor_content
    path = tmp_path / "short.pb"
    for changed in (content[:-4], content[:-1], content + b"1234"):
        node.attr["value"].tensor.tensor_content = changed
        path.write_bytes(graph.SerializeToString())
        with pytest.raises(WeightsError, match=r"short\.pb: the values of .*Conv2d_1a_3x3/weights are damaged"):
            read_frozen_graph(path)


def test_reading_needs_no_tensorflow() -> None:
    program = (
        "import sys\n"
        "from camwatch.engine.frozen_graph import read_frozen_graph\n"
        "from camwatch.engine.weights import facenet_graph_path\n"
        "assert len(read_frozen_graph(facenet_graph_path()).layers) == 133\n"
        "assert not {'tensorflow', 'keras', 'openvino', 'jax'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
