"""What computes the networks: TensorFlow, OpenVINO or JAX, behind one interface.

A `Runtime` compiles a `Network`, that is, a description in `networks.py` with its weights, to a function from uint8
pixels to float32 answers. Everything else of the engine is NumPy and OpenCV and the same for all.
"""

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.networks import Builder
from camwatch.errors import InputError

RuntimeName = Literal["tensorflow", "openvino", "jax"]
Precision = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "gpu"]
Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A compiled network: (n, height, width, 3) uint8 RGB to (n, ...) float32, n at least 1."""

_log = logging.getLogger(__name__)

_CPUINFO = Path("/proc/cpuinfo")
_GPU = Path("/dev/nvidia0")


@dataclass(frozen=True, slots=True)
class Network:
    """What is to be compiled.

    Attributes:
        name: `pnet`, `rnet`, `onet` or `facenet`.
        identity: Hash of its weights.
        describe: Reads the weights and builds the network with a builder.
    """

    name: str
    identity: str
    describe: Callable[[Builder], Any]


class Runtime(Protocol):
    """Compiles networks; `TensorFlowRuntime`, `OpenVinoRuntime` and `JaxRuntime` do.

    Attributes:
        name: Which one it is.
        device: Where it computes.
    """

    name: RuntimeName
    device: Literal["cpu", "gpu"]

    def compile(self, network: Network, precision: Precision) -> Run:
        """Make a network ready to run, for any number of pictures at once; several threads may run it."""


def choose(device: Device = "auto") -> tuple[RuntimeName, ...]:
    """The runtimes that are installed, the one that is the fastest here first.

    On CPUs OpenVINO answers sooner than TensorFlow, starts sooner and takes a third of the memory; it has no part in
    camwatch's support of GPUs. Whether TensorFlow sees a GPU that is there, only TensorFlow can tell.
    """
    order: tuple[RuntimeName, ...] = ("openvino", "tensorflow")
    if device == "gpu":
        order = ("tensorflow",)
    elif device == "auto" and _GPU.exists():
        order = ("tensorflow", "openvino")
    found = tuple(name for name in order if importlib.util.find_spec(name) is not None)
    return found or ("tensorflow",)


def open_runtime(
    name: RuntimeName,
    *,
    device: Device = "auto",
    threads: int | None = None,
    gpu_memory_mib: int | None = None,
    cache: Path | None = None,
) -> Runtime:
    """Load a runtime; TensorFlow takes seconds.

    Args:
        name: Which one.
        device: `auto` takes a GPU where the runtime sees one, `cpu` never, `gpu` insists on one.
        threads: CPU threads for one call; None for as many as there are cores.
        gpu_memory_mib: Limit of GPU memory; None lets it grow as needed.
        cache: A folder for converted networks, made when it is needed; None for none.

    Raises:
        InputError: It is not installed, cannot run on this machine, or has no GPU where one is asked for.
    """
    if importlib.util.find_spec(name) is None:
        package = name if name == "tensorflow" else f"'camwatch[{name}]'"
        raise InputError(f"engine.runtime {name}: it is not installed: pip install {package}")
    if name == "tensorflow":
        from camwatch.engine.tensorflow_runtime import TensorFlowRuntime

        return TensorFlowRuntime(threads=threads, device=device, gpu_memory_mib=gpu_memory_mib)
    if name == "openvino":
        from camwatch.engine.openvino_runtime import OpenVinoRuntime

        if device == "gpu":
            raise InputError("engine.device gpu: the runtime openvino is for CPUs here: choose tensorflow, or cpu")
        return OpenVinoRuntime(threads=threads, cache=cache)
    from camwatch.engine.jax_runtime import JaxRuntime

    return JaxRuntime(device=device, threads=threads)


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself, as /proc/cpuinfo says; elsewhere it is slower than float32."""
    try:
        lines = _CPUINFO.read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    flags = next((set(line.split()) for line in lines if line.startswith(("flags", "Features"))), set())
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})
