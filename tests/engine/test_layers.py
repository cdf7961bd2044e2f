import importlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.weights

SLOPES = {
    "small": np.array([0.25] * 16, np.float32),
    "of-all-signs": np.linspace(-0.8, 0.9, 16).astype(np.float32),
    "above-one": np.linspace(-0.8, 2.5, 16).astype(np.float32),
    "not-a-multiple": np.linspace(-0.3, 0.6, 10).astype(np.float32),
}


@pytest.fixture(scope="module")
def builder() -> Any:
    """The module that loads Keras, after TensorFlow was loaded quietly."""
    importlib.import_module("camwatch.engine.tensorflow_runtime").load_tensorflow()
    return importlib.import_module("camwatch.engine.keras_builder")


def bent(x: NDArray[np.float32], slope: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


@pytest.mark.parametrize("slope", SLOPES.values(), ids=SLOPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.03)])
def test_prelu_bends_in_every_form(builder: Any, slope: NDArray[np.float32], dtype: str, tolerance: float) -> None:
    x = np.random.default_rng(0).normal(0, 2, (2, 5, 7, slope.size)).astype(np.float32)
    layer = builder.Prelu(mirrored=bool(slope.max() <= 1), dtype=dtype)
    layer.build(x.shape)
    layer.set_weights([slope])
    found = np.asarray(layer(x.astype(np.float32)), np.float32)
    np.testing.assert_allclose(found, bent(x, slope), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("slope", SLOPES.values(), ids=SLOPES)
@pytest.mark.parametrize("window", [2, 3])
def test_pooling_before_bending_changes_nothing(builder: Any, slope: NDArray[np.float32], window: int) -> None:
    import tensorflow as tf

    random = np.random.default_rng(0)
    kernel = random.normal(0, 1, (3, 3, 3, slope.size)).astype(np.float32)
    bias = random.normal(0, 1, slope.size).astype(np.float32)
    pixels = random.integers(0, 256, (2, 13, 18, 3), np.uint8)

    build = builder.KerasBuilder()
    entry = build.pixels(None, None)
    out, order = build.prelu_pooled(entry, (kernel / 255, bias, slope), window, "same")
    found = build.finish(entry, out)(pixels).numpy()

    x = tf.nn.conv2d(pixels.astype(np.float32), kernel / 255, 1, "VALID") + bias
    expected = tf.nn.max_pool2d(bent(x.numpy(), slope), window, 2, "SAME").numpy()
    np.testing.assert_allclose(found, expected[..., order], rtol=0, atol=1e-5)
