import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import facenet
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.facenet import FaceEmbedder
from camwatch.engine.runtime import open_runtime
from camwatch.engine.weights import facenet_graph_path
from camwatch.errors import WeightsError

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", autouse=True)
def exact(analyzer: FaceAnalyzer) -> FaceEmbedder:
    """FaceNet by TensorFlow in float32; `analyzer` loads TensorFlow first, with its own settings."""
    return FaceEmbedder()


def original(chips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeddings by the packaged graph itself, which takes one face at a time."""
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(facenet_graph_path().read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(definition, name="")
        standardized = (chips.astype(np.float32) - 127.5) / 128
        return np.concatenate([session.run("embeddings:0", {"input:0": each[None]}) for each in standardized])


def test_embeddings_equal_the_original_graphs_on_real_faces(exact: FaceEmbedder, chips: NDArray[np.uint8]) -> None:
    expected = original(chips)

    found = exact.embed(chips)

    assert found.shape == (len(chips), 512)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert (found * expected).sum(axis=1).min() > 1 - 1e-6
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_bfloat16_gives_nearly_the_same_embeddings(exact: FaceEmbedder, chips: NDArray[np.uint8]) -> None:
    lower = FaceEmbedder(runtime=open_runtime("tensorflow"), precision="bfloat16").embed(chips)

    assert lower.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(lower, axis=1), 1, atol=1e-5)
    assert 0.999 < (lower * exact.embed(chips)).sum(axis=1).min() < 1 - 1e-6


def test_an_embedding_does_not_depend_on_its_batch(exact: FaceEmbedder, chips: NDArray[np.uint8]) -> None:
    chunk = exact.chunk
    many = np.resize(chips, (chunk + 3, 160, 160, 3))

    together = exact.embed(many)

    assert together.shape == (chunk + 3, 512)
    for index in (0, 1, chunk - 1, chunk, chunk + 2):
        assert np.abs(exact.embed(many[index : index + 1])[0] - together[index]).max() < 2e-6
    np.testing.assert_array_equal(exact.embed(list(many[:2])).shape, (2, 512))


def test_no_chips_give_no_rows(exact: FaceEmbedder) -> None:
    assert exact.embed([]).shape == (0, 512)
    assert exact.embed(np.zeros((0, 160, 160, 3), np.uint8)).dtype == np.float32


def test_chips_of_another_kind_are_refused(exact: FaceEmbedder) -> None:
    for wrong in (np.zeros((2, 160, 160, 3), np.float32), np.zeros((2, 112, 112, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"uint8 \(n, 160, 160, 3\) expected"):
            exact.embed(wrong)


def test_the_network_is_named_after_its_weights_files_hash(exact: FaceEmbedder, tmp_path: Path) -> None:
    content = facenet_graph_path().read_bytes()
    (tmp_path / "same.pb").write_bytes(content)
    (tmp_path / "other.pb").write_bytes(content + b"\x22\x00")  # one more, empty field: another file, the same graph

    same, other = FaceEmbedder(tmp_path / "same.pb").network, FaceEmbedder(tmp_path / "other.pb").network

    assert same == exact.network
    assert same.endswith("60576ffa7c61")
    assert other != same


def test_a_packaged_file_that_was_altered_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    altered = tmp_path / "graph_final.pb"
    altered.write_bytes(facenet_graph_path().read_bytes() + b"\x22\x00")
    monkeypatch.setattr(facenet, "facenet_graph_path", lambda: altered)

    with pytest.raises(WeightsError, match=r"graph_final\.pb: not the expected weights"):
        FaceEmbedder()


def test_the_packaged_file_is_hashed_when_described_and_again_as_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    real = io.open

    def counted(file: Any, *args: Any, **options: Any) -> Any:
        opened.append(str(file))
        return real(file, *args, **options)

    monkeypatch.setattr(io, "open", counted)
    FaceEmbedder()
    assert opened.count(str(facenet_graph_path())) == 2


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Conv2d_1a_3x3/weights", lambda values: values.fill(0)),
        ("Bottleneck/weights", lambda values: values.fill(0)),
        ("Bottleneck/weights", lambda values: values.fill(5e8)),
    ],
    ids=["blind", "nothing", "large"],
)
def test_finite_weights_that_tell_no_faces_apart_are_refused(
    tmp_path: Path, name: str, change: Callable[[NDArray[np.float32]], None]
) -> None:
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(facenet_graph_path().read_bytes())
    [node] = [node for node in graph.node if node.name == f"InceptionResnetV1/{name}"]
    values = np.array(tf.make_ndarray(node.attr["value"].tensor))
    change(values.reshape(-1))
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    path = tmp_path / "damaged.pb"
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(WeightsError, match=r"damaged\.pb: the weights are damaged"):
        FaceEmbedder(path)
