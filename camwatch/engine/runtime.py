"""TensorFlow: loading it quietly, and its process-wide settings."""

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, Literal

import cv2

from camwatch.errors import InputError

Device = Literal["auto", "cpu", "gpu"]

_log = logging.getLogger(__name__)

_CHATTER = re.compile(rb"WARNING: All log messages before absl|[IW]\d{4} \d|\s*$")
"""Informations and warnings in absl's format; errors (`E0000 ...`) are not among them."""


def load_tensorflow() -> Any:
    """Import TensorFlow without its start-up chatter and return the module.

    The first call in a process takes seconds and several hundred MB. Sets `TF_CPP_MIN_LOG_LEVEL`,
    `TF_FORCE_GPU_ALLOW_GROWTH` and `KERAS_BACKEND` in the environment, each only where it is not set.

    Raises:
        InputError: The environment asks Keras for another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else C++ writes warnings about GPUs that are not there
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else it reserves all, or all of a limit, at once
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(f"KERAS_BACKEND is {backend!r} in the environment: camwatch needs 'tensorflow', or no value")
    with _quiet_stderr():
        import tensorflow

        # Asked here, since looking for a GPU is what writes the second half of the chatter.
        tensorflow.config.list_physical_devices("GPU")
    return tensorflow


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to descriptor 2, and let through only what is not start-up chatter.

    TensorFlow logs before its logging is set up, whatever the level asked for; no setting of it helps.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            lines = [line for line in held.read().splitlines(keepends=True) if not _CHATTER.match(line)]
            os.write(2, b"".join(lines))


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
    if threads is not None:
        cv2.setNumThreads(threads)
    try:
        if threads is not None:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
        tf.config.set_visible_devices(gpus[:1] if use_gpu else [], "GPU")
        if use_gpu and gpu_memory_mib is not None:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=gpu_memory_mib)
            tf.config.set_logical_device_configuration(gpus[0], [limit])
    except RuntimeError as error:
        _log.warning("TensorFlow is already running, its settings stay as they are: %s", error)
        use_gpu = bool(tf.config.list_logical_devices("GPU"))
    return "gpu" if use_gpu else "cpu"
