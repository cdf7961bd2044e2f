"""TensorFlow as a runtime: loading it quietly, its process-wide settings, and networks as its functions."""

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine import chatter
from camwatch.engine.cores import cores, scarce
from camwatch.engine.runtime import Device, Network, Precision, Run, RuntimeName
from camwatch.errors import InputError

_log = logging.getLogger(__name__)

_CPUINFO = Path("/proc/cpuinfo")
_MOST_CALLS = 4
"""Calls from several threads that compute at the same time."""


def load_tensorflow() -> Any:
    """Import TensorFlow without its start-up chatter and return the module.

    The first call in a process takes seconds and several hundred MB. Sets `TF_CPP_MIN_LOG_LEVEL`,
    `TF_FORCE_GPU_ALLOW_GROWTH` and `KERAS_BACKEND` in the environment, each only where it is not set.

    Raises:
        InputError: The environment asks Keras for another backend, or TensorFlow needs another processor.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else C++ writes warnings about GPUs that are not there
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else it reserves all, or all of a limit, at once
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(f"KERAS_BACKEND is {backend!r} in the environment: camwatch needs 'tensorflow', or no value")
    return _tensorflow()


@cache
def _tensorflow() -> Any:
    trial = [sys.executable, "-c", "import tensorflow"]
    if not _has_avx() and subprocess.run(trial, check=False, capture_output=True).returncode < 0:
        raise InputError(
            "this processor has no AVX, which this build of TensorFlow needs: another computer or another build will "
            "do; in a virtual machine, the processor type `host`"
        )
    with _quiet_stderr():
        import tensorflow

        # Asked here, since looking for a GPU is what writes the second half of the chatter.
        tensorflow.config.list_physical_devices("GPU")
    return tensorflow


def _has_avx() -> bool:
    """False only where Linux lists the features of an x86 processor, and AVX is not among them.

    Without it, TensorFlow as PyPI has it ends the process. Builds of other makers may not, so it is tried then.
    """
    try:
        lines = _CPUINFO.read_text("ascii", "replace").splitlines()
    except OSError:
        return True
    flags = next((line.split() for line in lines if line.startswith("flags")), None)
    return flags is None or "avx" in flags


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Let through only what is not start-up chatter of all that is written to descriptor 2, also if we die inside.

    TensorFlow logs before its logging is set up, whatever the level asked for; no setting of it helps.
    """
    sys.stderr.flush()
    try:
        listener = subprocess.Popen(
            [sys.executable, "-I", "-S", chatter.__file__], stdin=subprocess.PIPE, stdout=2, stderr=subprocess.DEVNULL
        )
    except OSError:  # no memory for another process, say: chatter is the smaller evil
        yield
        return
    assert listener.stdin is not None  # it is a pipe
    saved = os.dup(2)
    os.dup2(listener.stdin.fileno(), 2)
    listener.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)  # the last writer is gone: it ends
        os.close(saved)
        with contextlib.suppress(subprocess.TimeoutExpired):
            listener.wait(5)


def configure_tensorflow(
    *, threads: int | None = None, device: Device = "auto", gpu_memory_mib: int | None = None
) -> Literal["cpu", "gpu"]:
    """Set what TensorFlow may use in this process; call it before the first network is built.

    TensorFlow fixes these settings when it first computes. A later call cannot change them any more: it logs a
    warning and returns what is in use.

    Args:
        threads: Threads for one operation, and for OpenCV; None leaves both to choose (as many as there are cores).
        device: `auto` takes a GPU where TensorFlow sees one, `cpu` hides all GPUs, `gpu` insists on one.
        gpu_memory_mib: Upper limit of GPU memory; None lets it grow as needed.

    Returns:
        Where the networks will run.

    Raises:
        InputError: A GPU was asked for and TensorFlow sees none.
    """
    tf = load_tensorflow()
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise InputError(
            "device gpu: TensorFlow sees no GPU: install its driver and tensorflow[and-cuda], or choose cpu or auto"
        )
    use_gpu = device != "cpu" and bool(gpus)
    threads = threads or scarce()
    if threads is not None:
        cv2.setNumThreads(threads)
    try:
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            # with a single one, calls from several threads would wait for each other, whatever cores are free
            calls = max(min(threads, 2), min(cores() // threads, _MOST_CALLS))
            tf.config.threading.set_inter_op_parallelism_threads(calls)
        tf.config.set_visible_devices(gpus[:1] if use_gpu else [], "GPU")
        if use_gpu and gpu_memory_mib is not None:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=gpu_memory_mib)
            tf.config.set_logical_device_configuration(gpus[0], [limit])
    except RuntimeError as error:
        _log.warning("TensorFlow is already running, its settings stay as they are: %s", error)
        use_gpu = bool(tf.config.list_logical_devices("GPU"))
    return "gpu" if use_gpu else "cpu"


class TensorFlowRuntime:
    """Networks as Keras models in TensorFlow functions. See `runtime.Runtime`.

    Each network is one function that is traced once, whatever the number and size of its inputs.
    """

    name: RuntimeName = "tensorflow"

    def __init__(
        self, *, threads: int | None = None, device: Device = "auto", gpu_memory_mib: int | None = None
    ) -> None:
        """Load TensorFlow; see `configure_tensorflow` for the arguments and errors."""
        self.device = configure_tensorflow(threads=threads, device=device, gpu_memory_mib=gpu_memory_mib)

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`."""
        tf = load_tensorflow()
        from camwatch.engine.keras_builder import KerasBuilder

        model = network.describe(KerasBuilder(precision))
        # autograph has nothing to convert and would cost seconds
        function = tf.function(
            lambda pixels: model(pixels, training=False),
            input_signature=[tf.TensorSpec(model.input.shape, tf.uint8)],
            autograph=False,
        ).get_concrete_function()

        def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            answer: NDArray[np.float32] = function(tf.constant(pixels)).numpy()
            return answer

        return run
