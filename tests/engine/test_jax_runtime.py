import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.facenet import facenet_description
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.runtime import open_runtime
from camwatch.records import Picture

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed: pip install jax"),
]

PROGRAM = """
import json, sys
import numpy as np
import jax
from camwatch.engine.facenet import facenet_description
from camwatch.engine.jax_runtime import JaxRuntime
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.errors import InputError

sizes = []
jit = jax.jit

def watched(function):
    compiled = jit(function)
    def call(weights, pixels):
        sizes.append(len(pixels))
        return compiled(weights, pixels)
    return call

runtime = JaxRuntime(device="cpu")
inputs = dict(np.load(sys.argv[1]))
answers = {}
for network in (*mtcnn_descriptions(), facenet_description()):
    jax.jit = watched
    run = runtime.compile(network, "float32")
    jax.jit = jit
    answers[network.name] = run(inputs[network.name])
    if network.name == "rnet":
        answers["one"], answers["none"] = run(inputs["rnet"][:1]), run(inputs["rnet"][:0])
        answers["view"] = run(inputs["rnet"][::-1])
    if network.name == "pnet":
        answers["bfloat16"] = runtime.compile(network, "bfloat16")(inputs["pnet"])
try:
    JaxRuntime(device="gpu")
    refused = ""
except InputError as error:
    refused = str(error)
np.savez(sys.argv[2], **answers)
print(json.dumps({"sizes": sizes, "device": runtime.device, "refused": refused,
    "tensorflow": "tensorflow" in sys.modules}))
"""


def fresh(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "JAX_", "XLA_"))}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=kept | environment,
    )


def test_jax_answers_as_tensorflow_does(tmp_path: Path, photos: dict[str, Picture], chips: NDArray[np.uint8]) -> None:
    picture = photos["multi_face.jpg"]
    crops = np.stack([picture[100 + 30 * i :][:48, 90 + 70 * i :][:, :48] for i in range(5)])
    inputs = {"pnet": picture[None, :101, :130], "rnet": crops[:, ::2, ::2], "onet": crops[:3], "facenet": chips[:2]}
    np.savez(tmp_path / "in.npz", **inputs)

    done = fresh(PROGRAM, str(tmp_path / "in.npz"), str(tmp_path / "out.npz"))

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    answers = np.load(tmp_path / "out.npz")
    tensorflow = open_runtime("tensorflow")
    exact = {}
    for network in (*mtcnn_descriptions(), facenet_description()):
        exact[network.name] = tensorflow.compile(network, "float32")(inputs[network.name])
        np.testing.assert_allclose(answers[network.name], exact[network.name], rtol=0, atol=1e-4)
    np.testing.assert_allclose(answers["one"], exact["rnet"][:1], rtol=0, atol=1e-4)
    np.testing.assert_allclose(answers["view"], exact["rnet"][::-1], rtol=0, atol=1e-4)
    assert answers["none"].shape == (0, 5)
    assert 0 < np.abs(answers["bfloat16"] - exact["pnet"]).max() < 0.3
    assert said["sizes"] == [1, 8, 1, 1, 8, 4, 2], "numbers are filled up to powers of two"
    assert said["device"] == "cpu"
    assert not said["tensorflow"]
    assert said["refused"] in ("", "device gpu: JAX sees no GPU: install jax[cuda12], or choose cpu or auto")


TOO_LATE = """
import os, sys
from camwatch.engine.jax_runtime import JaxRuntime
from camwatch.errors import InputError
if sys.argv[1]:
    import keras
    del os.environ["KERAS_BACKEND"]
try:
    JaxRuntime()
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("loaded", "said"),
    [
        ("", "KERAS_BACKEND is 'numpy' in this process: the runtime jax needs 'jax', or no value\n"),
        ("keras", "the runtime jax needs a process in which nothing has loaded Keras before\n"),
    ],
)
def test_a_process_with_another_backend_is_refused(loaded: str, said: str) -> None:
    done = fresh(TOO_LATE, loaded, KERAS_BACKEND="numpy", TF_CPP_MIN_LOG_LEVEL="3")
    assert (done.returncode, done.stdout) == (0, said), done.stderr


SETTINGS = """
import os, sys
import cv2
import jax
before = jax.config.jax_platforms
from camwatch.engine.jax_runtime import JaxRuntime
runtime = JaxRuntime(device=sys.argv[1], threads=3)
assert cv2.getNumThreads() == 3
print(runtime.device, jax.config.jax_platforms == before, {each.platform for each in jax.devices()} == {"cpu"})
print(os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"])
"""


def test_on_a_cpu_no_gpu_is_opened() -> None:
    done = fresh(SETTINGS, "cpu")
    assert done.stdout == "cpu False True\nfalse\n", done.stderr


def test_memory_of_a_gpu_is_taken_as_it_is_needed_unless_the_user_says_otherwise() -> None:
    assert fresh(SETTINGS, "auto").stdout.endswith("\nfalse\n")
    assert fresh(SETTINGS, "auto", XLA_PYTHON_CLIENT_PREALLOCATE="true").stdout.endswith("\ntrue\n")
