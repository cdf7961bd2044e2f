"""Which runtime and precision the networks get on this machine, and the networks, loaded."""

import hashlib
import importlib.metadata
import json
import logging
import os
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from camwatch.engine import selftest
from camwatch.engine.facenet import FaceEmbedder, facenet_description
from camwatch.engine.mtcnn import FaceDetector
from camwatch.engine.runtime import (
    Device,
    Network,
    Precision,
    Run,
    Runtime,
    RuntimeName,
    choose,
    has_bfloat16,
    open_runtime,
)
from camwatch.errors import InputError
from camwatch.files import write_whole

_log = logging.getLogger(__name__)

_NOTES = "precision.json"
_VERSION = 2
_NO_GPU = "taking openvino on the CPU; tensorflow[and-cuda] would use the GPU, engine.device cpu takes less memory"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The networks ready to run, and what computes them."""

    detector: FaceDetector
    embedder: FaceEmbedder
    runtime: RuntimeName
    precision: Precision


def default_cache() -> Path | None:
    """Where converted networks and measurements are kept for a user: `$XDG_CACHE_HOME/camwatch`, `~/.cache/camwatch`.

    See https://specifications.freedesktop.org/basedir-spec/latest/. None for a user who has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "camwatch"
    except RuntimeError:
        return None


def load_networks(
    *,
    runtime: RuntimeName | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
    device: Device = "auto",
    threads: int | None = None,
    gpu_memory_mib: int | None = None,
    facenet_weights: Path | None = None,
    cache: Path | None = None,
) -> Loaded:
    """Load the networks in the runtime asked for, or in the fastest one that passes its self-test.

    Args:
        runtime: `auto` takes the first of `runtime.choose` that loads and gives the known answers.
        precision: `auto` takes bfloat16 where the processor has it, embeddings agree with float32 within a cosine of
            .999, and it is measured to be faster. The measurement is kept in `cache`.
        device: See `runtime.open_runtime`.
        threads: The same.
        gpu_memory_mib: The same.
        facenet_weights: See `facenet.facenet_description`. Other networks than the packaged one have no known answers.
        cache: A folder for converted networks and measurements; None for none.

    Raises:
        WeightsError: Weights are missing or damaged.
        InputError: A runtime or device that is asked for cannot be used.
    """
    names = choose(device) if runtime == "auto" else (runtime,)
    for number, name in enumerate(names):
        try:
            opened = open_runtime(name, device=device, threads=threads, gpu_memory_mib=gpu_memory_mib, cache=cache)
            if device == "auto" and opened.device == "cpu" and "openvino" in names[number + 1 :]:
                _log.warning("%s sees no GPU though one is there: %s", name, _NO_GPU)
                return load_networks(
                    runtime=runtime,
                    precision=precision,
                    device="cpu",
                    threads=threads,
                    facenet_weights=facenet_weights,
                    cache=cache,
                )
            return _load(opened, precision, facenet_weights, cache)
        except InputError:
            raise
        except _UNUSABLE as error:
            if number + 1 == len(names):
                raise InputError(f"engine.runtime {name}: it cannot be used on this machine: {error}") from error
            _log.warning("the runtime %s cannot be used on this machine, taking the next: %s", name, error)
    raise AssertionError("choose() names one at least")


class _WrongAnswerError(Exception):
    """A runtime computes a packaged network wrongly."""


_UNUSABLE = (_WrongAnswerError, ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError)
"""What a runtime does that is missing, broken, or of a version that changed what we call."""


class _Checked:
    """A runtime whose packaged networks have to give known answers before anybody uses them.

    Args:
        runtime: The real one.
        names: The packaged networks.
    """

    def __init__(self, runtime: Runtime, names: Container[str]) -> None:
        """Nothing is checked before it is compiled."""
        self.name, self.device = runtime.name, runtime.device
        self._runtime, self._names = runtime, names

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`.

        Raises:
            _WrongAnswerError: The answers are wrong.
        """
        run = self._runtime.compile(network, precision)
        if network.name in self._names and not selftest.knows(network.name, run):
            raise _WrongAnswerError(f"it computes {network.name} wrongly in {precision}")
        return run


def _load(runtime: Runtime, wanted: Precision | Literal["auto"], weights: Path | None, cache: Path | None) -> Loaded:
    checked = _Checked(runtime, {"pnet", "rnet", "onet"} | ({"facenet"} if weights is None else set()))
    precision = _best(runtime, weights, cache) if wanted == "auto" else wanted
    try:
        return _loaded(checked, precision, weights)
    except _WrongAnswerError as error:
        if wanted != "auto" or precision == "float32":
            raise
        _log.warning("%s: %s: taking float32", runtime.name, error)
        loaded = _loaded(checked, "float32", weights)
        _note(runtime, weights, cache, "float32")
        return loaded


def _loaded(runtime: Runtime, precision: Precision, weights: Path | None) -> Loaded:
    embedder = FaceEmbedder(weights, runtime=runtime, precision=precision)
    return Loaded(FaceDetector(runtime=runtime, precision=precision), embedder, runtime.name, precision)


def _best(runtime: Runtime, weights: Path | None, cache: Path | None) -> Precision:
    """What was measured here before, else measured now."""
    if runtime.device == "gpu" or not has_bfloat16():
        return "float32"
    known = _remembered(cache).get(_key(runtime, weights))
    if known is not None:
        return known
    described = facenet_description(weights)
    measured = selftest.compare(lambda precision: runtime.compile(described, precision))
    _log.info(
        "%s: bfloat16 is %.1f times as fast as float32, embeddings agree to %.5f: taking %s",
        runtime.name,
        measured.gain,
        measured.cosine,
        measured.best,
    )
    _note(runtime, weights, cache, measured.best)
    return measured.best


def _key(runtime: Runtime, weights: Path | None) -> str:
    """What a measurement is of: another version of the runtime may be another thing."""
    try:
        version = importlib.metadata.version(runtime.name)
    except importlib.metadata.PackageNotFoundError:  # as tensorflow-cpu, say
        version = "?"
    return f"{runtime.name} {version} {facenet_description(weights).identity[:20]} {_processor()}"


def _note(runtime: Runtime, weights: Path | None, cache: Path | None, best: Precision) -> None:
    _remember(cache, {**_remembered(cache), _key(runtime, weights): best})


def _processor() -> str:
    """A hash of what kind of processor this is."""
    lines = Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
    kinds = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return hashlib.sha256("\n".join(kinds).encode()).hexdigest()[:12]


def _remembered(cache: Path | None) -> dict[str, Precision]:
    """By runtime, weights and processor; nothing where the cache is missing or damaged: then it is measured again."""
    if cache is None:
        return {}
    try:
        notes = json.loads((cache / _NOTES).read_text("utf-8"))
        if notes["version"] != _VERSION:
            return {}
        return {str(key): value for key, value in notes["best"].items() if value in ("float32", "bfloat16")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _remember(cache: Path | None, best: dict[str, Precision]) -> None:
    if cache is None:
        return
    notes = json.dumps({"version": _VERSION, "best": best}, indent=1)
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(cache / _NOTES, notes.encode())
    except OSError as error:
        _log.warning("%s: the measurement cannot be kept there: %s", cache, error.strerror or error)
