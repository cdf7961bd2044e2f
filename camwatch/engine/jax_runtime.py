"""JAX as a runtime: the same Keras models, compiled by XLA. Meant for GPUs where JAX is what is installed.

XLA compiles for one shape at a time, so the number of pictures is filled up to a power of two. On a CPU that makes it
slow to start and no faster than TensorFlow.
"""

import os
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.runtime import Device, Network, Precision, Run, RuntimeName
from camwatch.errors import InputError


class JaxRuntime:
    """See `runtime.Runtime`.

    Raises:
        InputError: Keras is already loaded with another backend, or a GPU is asked for that JAX does not see.
    """

    name: RuntimeName = "jax"

    def __init__(self, *, device: Device = "auto") -> None:
        """Load JAX and Keras."""
        backend = os.environ.setdefault("KERAS_BACKEND", "jax")
        if backend != "jax":
            raise InputError(f"KERAS_BACKEND is {backend!r} in this process: the runtime jax needs 'jax', or no value")
        import jax
        import keras

        if keras.backend.backend() != "jax":
            raise InputError("the runtime jax needs a process in which nothing has loaded Keras before")
        self._jax = jax
        gpu = any(each.platform == "gpu" for each in jax.devices())
        if device == "gpu" and not gpu:
            raise InputError("device gpu: JAX sees no GPU: install jax[cuda12], or choose cpu or auto")
        self.device: Literal["cpu", "gpu"] = "gpu" if gpu and device != "cpu" else "cpu"

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`."""
        jax = self._jax
        from camwatch.engine.keras_builder import KerasBuilder

        place = jax.devices("gpu" if self.device == "gpu" else "cpu")[0]
        model = network.describe(KerasBuilder(precision))
        # nothing of a network is trained, so all its weights are of the second kind
        values = jax.device_put([variable.value for variable in model.non_trainable_variables], place)

        def answer(weights: Any, pixels: Any) -> Any:
            return model.stateless_call([], weights, pixels, training=False)[0]

        function = jax.jit(answer)

        def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            count = len(pixels)
            filled = np.zeros((1 << max(count - 1, 0).bit_length(), *pixels.shape[1:]), np.uint8)
            filled[:count] = pixels
            return np.asarray(function(values, jax.device_put(filled, place)), np.float32)[:count]

        return run
