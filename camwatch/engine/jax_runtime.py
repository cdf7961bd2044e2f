"""JAX as a runtime: the same Keras models, compiled by XLA. Meant for GPUs where JAX is what is installed.

XLA compiles for one shape at a time, so the number of pictures is filled up to a power of two. On a CPU that makes it
slow to start and no faster than TensorFlow.
"""

import os
from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine.cores import scarce
from camwatch.engine.runtime import Device, Network, Precision, Run, RuntimeName
from camwatch.errors import InputError


class JaxRuntime:
    """See `runtime.Runtime`.

    Raises:
        InputError: Keras is already loaded with another backend, or a GPU is asked for that JAX does not see.
    """

    name: RuntimeName = "jax"

    def __init__(self, *, device: Device = "auto", threads: int | None = None) -> None:
        """Load JAX and Keras.

        Args:
            device: See `runtime.open_runtime`.
            threads: CPU threads of OpenCV; None for as many as there are cores. JAX takes what it wants.
        """
        backend = os.environ.setdefault("KERAS_BACKEND", "jax")
        if backend != "jax":
            raise InputError(f"KERAS_BACKEND is {backend!r} in this process: the runtime jax needs 'jax', or no value")
        # else JAX takes three quarters of the GPU's memory at once
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        import jax
        import keras

        settings: Any = jax.config
        if device == "cpu":
            settings.update("jax_platforms", "cpu")  # else it opens a GPU that is there, and holds memory of it
        if keras.backend.backend() != "jax":
            raise InputError("the runtime jax needs a process in which nothing has loaded Keras before")
        if (few := threads or scarce()) is not None:
            cv2.setNumThreads(few)
        self._jax = jax
        gpu = any(each.platform == "gpu" for each in jax.devices())
        if device == "gpu" and not gpu:
            raise InputError("device gpu: JAX sees no GPU: install jax[cuda12], or choose cpu or auto")
        self.device: Literal["cpu", "gpu"] = "gpu" if gpu and device != "cpu" else "cpu"
        self._place = jax.devices(self.device)[0]

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`."""
        return self.run_of(self.resident(network, precision))

    def run_of(self, function: Callable[[Any], Any]) -> Run:
        """What `resident` gave, from pixels in main memory to answers there, for any number of pictures."""

        def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.asarray(function(self.put(_filled(pixels))), np.float32)[: len(pixels)]

        return run

    def put(self, pixels: NDArray[np.uint8]) -> Any:
        """Pixels as an array on the device."""
        return self._jax.device_put(pixels, self._place)

    def resident(self, network: Network, precision: Precision) -> Callable[[Any], Any]:
        """A network from what `put` gave to an answer that is left on the device and may still be computed.

        Compiled anew, at the first call, for each shape of its input.
        """
        jax = self._jax
        from camwatch.engine.keras_builder import KerasBuilder

        model = network.describe(KerasBuilder(precision))
        # nothing of a network is trained, so all its weights are of the second kind
        values = jax.device_put([variable.value for variable in model.non_trainable_variables], self._place)

        def answer(weights: Any, pixels: Any) -> Any:
            return model.stateless_call([], weights, pixels, training=False)[0]

        function = jax.jit(answer)
        return lambda pixels: function(values, pixels)


def _filled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures, and blank ones after them up to a power of two."""
    count = len(pixels)
    size = 1 << max(count - 1, 0).bit_length()
    if size == count:
        return pixels
    filled = np.zeros((size, *pixels.shape[1:]), np.uint8)
    filled[:count] = pixels
    return filled
