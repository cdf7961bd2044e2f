import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.photos import read_photo
from camwatch.engine.pyramid import blank, paint, plan
from camwatch.engine.weights import mtcnn_weights
from camwatch.records import Picture
from tests.conftest import Footage

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def networks() -> Any:
    """The module, which loads TensorFlow."""
    return importlib.import_module("camwatch.engine.networks")


@pytest.fixture(scope="module")
def picture(footage: Footage) -> Picture:
    """Several real faces."""
    return read_photo(footage.path("multi_face.jpg"))


def packaged(name: str, arrays: tuple[NDArray[np.float32], ...]) -> Any:
    """The mtcnn package's own network."""
    model = getattr(importlib.import_module(f"mtcnn.network.{name.lower()}"), name)()
    model.build()
    model.set_weights(list(arrays))
    return model


def standardized(pixels: NDArray[Any]) -> NDArray[np.float32]:
    return ((pixels - 127.5) / 128).astype(np.float32)


def windows(count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Boxes all over a picture, some beyond its edges."""
    random = np.random.default_rng(0)
    corner = random.uniform(-0.1, 0.9, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.02, 0.4, (count, 1))], 1)
    return boxes.astype(np.float32), np.zeros(count, np.int32)


@pytest.mark.parametrize("min_face", [20, 40, 41])
def test_pnet_answers_as_the_package(networks: Any, picture: Picture, min_face: int) -> None:
    layout = plan(picture.shape[1], picture.shape[0], min_face)
    canvases = blank(layout, 2)
    paint(picture, layout, canvases[0])
    paint(picture[:, ::-1].copy(), layout, canvases[1])
    arrays = mtcnn_weights().pnet
    regression, probability = networks.ProposalNetwork(arrays)(canvases)
    theirs, classes = packaged("PNet", arrays)(standardized(canvases))
    assert regression.shape == (2, *layout.owner.shape, 4)
    assert probability.max() > 0.9
    np.testing.assert_allclose(regression, theirs.numpy(), rtol=0, atol=5e-6)
    np.testing.assert_allclose(probability, classes.numpy()[..., 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "side"), [("RNet", 24), ("ONet", 48)])
def test_crop_networks_answer_as_the_package(networks: Any, picture: Picture, name: str, side: int) -> None:
    import tensorflow as tf

    boxes, owners = windows(60)
    arrays = getattr(mtcnn_weights(), name.lower())
    regression, probability = getattr(networks, name.lower())(arrays)(picture[None], boxes, owners)
    crops = tf.image.crop_and_resize(standardized(picture[None]), boxes, owners, (side, side))
    *theirs, classes = [answer.numpy() for answer in packaged(name, arrays)(crops)]
    np.testing.assert_allclose(regression, np.concatenate(theirs, 1), rtol=0, atol=5e-6)
    np.testing.assert_allclose(probability, classes[:, 1], rtol=0, atol=5e-6)


def test_networks_are_traced_once_for_all_sizes(networks: Any, picture: Picture) -> None:
    weights = mtcnn_weights()
    pnet, rnet = networks.ProposalNetwork(weights.pnet), networks.rnet(weights.rnet)
    for count, height, width in [(1, 12, 12), (2, 50, 31), (3, 40, 64)]:
        _, probability = pnet(np.zeros((count, height, width, 3), np.uint8))
        assert len(probability) == count
        boxes, owners = windows(count)
        regression, probability = rnet(picture[None, : height * 2, : width * 2], boxes, owners)
        assert (regression.shape, probability.shape) == ((count, 4), (count,))
    assert pnet._run.experimental_get_tracing_count() == 1
    assert rnet._run.experimental_get_tracing_count() == 1


def test_weights_are_variables(networks: Any) -> None:
    weights = mtcnn_weights()
    count = sum(array.size for array in weights.onet)
    held = sum(int(np.prod(variable.shape)) for variable in networks.onet(weights.onet).model.weights)
    assert held == count - 256 - 1  # one logit, the difference, in place of two
