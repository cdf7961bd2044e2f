import importlib

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import networks
from camwatch.engine.candidates import sigmoid
from camwatch.engine.crops import cut
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.pyramid import blank, paint, plan
from camwatch.engine.runtime import Run, open_runtime
from camwatch.engine.weights import mtcnn_weights
from camwatch.records import Picture

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """P-, R- and O-Net by TensorFlow in float32."""
    runtime = open_runtime("tensorflow")
    return {network.name: runtime.compile(network, "float32") for network in mtcnn_descriptions()}


@pytest.fixture(scope="module")
def picture(photos: dict[str, Picture]) -> Picture:
    """Several real faces."""
    return photos["multi_face.jpg"]


def packaged(name: str, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The answers of the mtcnn package's own network: regressions, classes."""
    model = getattr(importlib.import_module(f"mtcnn.network.{name.lower()}"), name)()
    model.build()
    model.set_weights(list(getattr(mtcnn_weights(), name.lower())))
    return [answer.numpy() for answer in model(((pixels - 127.5) / 128).astype(np.float32))]


def windows(picture: Picture, count: int, side: int) -> NDArray[np.uint8]:
    """Crops from all over a picture, some reaching beyond its edges."""
    random = np.random.default_rng(0)
    corner = random.uniform(-0.1, 0.9, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.02, 0.4, (count, 1))], 1) * np.tile(
        picture.shape[1::-1], 2
    )
    crops = np.zeros((count, side, side, 3), np.uint8)
    cut([picture], boxes.astype(np.float32), np.zeros(count, np.int64), side, crops)
    return crops


@pytest.mark.parametrize("min_face", [20, 40, 41])
def test_pnet_answers_as_the_package(runs: dict[str, Run], picture: Picture, min_face: int) -> None:
    layout = plan(picture.shape[1], picture.shape[0], min_face)
    canvases = blank(layout, 2)
    paint(picture, layout, canvases[0])
    paint(picture[:, ::-1].copy(), layout, canvases[1])
    answer = runs["pnet"](canvases)
    regression, classes = packaged("PNet", canvases)
    assert answer.shape == (2, *layout.owner.shape, 5)
    assert sigmoid(answer[..., 4]).max() > 0.9
    np.testing.assert_allclose(answer[..., :4], regression, rtol=0, atol=5e-6)
    np.testing.assert_allclose(sigmoid(answer[..., 4]), classes[..., 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("RNet", 24), ("ONet", 48)])
def test_crop_networks_answer_as_the_package(runs: dict[str, Run], picture: Picture, name: str, side: int) -> None:
    crops = windows(picture, 400, side)
    answer = runs[name.lower()](crops)
    *regressions, classes = packaged(name, crops)
    np.testing.assert_allclose(answer[:, :-1], np.concatenate(regressions, 1), rtol=0, atol=5e-6)
    np.testing.assert_allclose(sigmoid(answer[:, -1]), classes[:, 1], rtol=0, atol=5e-6)
    assert np.ptp(classes[:, 1]) > 0.5, "crops too alike to tell anything"


def test_one_function_takes_all_numbers_and_sizes(runs: dict[str, Run], picture: Picture) -> None:
    for count, height, width in [(1, 12, 12), (2, 50, 31), (3, 40, 64)]:
        pixels = np.resize(picture, (count, height, width, 3))
        answer = runs["pnet"](pixels)
        assert answer.shape == (count, (height + 1) // 2 - 5, (width + 1) // 2 - 5, 5)
        assert answer.dtype == np.float32
    crops = windows(picture, 5, 24)
    together = runs["rnet"](crops)
    for count in (1, 3):
        np.testing.assert_allclose(runs["rnet"](crops[:count]), together[:count], rtol=0, atol=1e-5)


def test_a_view_is_as_good_as_a_copy(runs: dict[str, Run], picture: Picture) -> None:
    view = picture[None, 1:100:2, 90:10:-1]
    assert np.array_equal(runs["pnet"](view), runs["pnet"](view.copy()))


def test_weights_are_variables_and_no_constants_of_the_graph() -> None:
    import tensorflow as tf

    from camwatch.engine.keras_builder import KerasBuilder

    arrays = mtcnn_weights().onet
    model = networks.onet(KerasBuilder(), arrays)
    held = sum(int(np.prod(variable.shape)) for variable in model.weights)
    assert held == sum(array.size for array in arrays) - 256 - 1  # one logit, the difference, in place of two
    graph = tf.function(model, autograph=False).get_concrete_function(tf.TensorSpec((None, 48, 48, 3), tf.uint8)).graph
    assert len(graph.captures) == len(model.weights)
    assert max(np.prod(op.outputs[0].shape) for op in graph.get_operations() if op.type == "Const") < 16
