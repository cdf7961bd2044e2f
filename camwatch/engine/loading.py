"""Which runtime and precision the networks get on this machine, and the networks, loaded."""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from camwatch.engine import selftest
from camwatch.engine.facenet import FaceEmbedder, facenet_description
from camwatch.engine.mtcnn import FaceDetector
from camwatch.engine.runtime import Device, Precision, Runtime, RuntimeName, choose, has_bfloat16, open_runtime
from camwatch.errors import InputError
from camwatch.files import write_whole

_log = logging.getLogger(__name__)

_NOTES = "precision.json"
_VERSION = 1


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
            return _load(opened, precision, facenet_weights, cache)
        except (_WrongAnswerError, ImportError, OSError, RuntimeError) as error:
            if number + 1 == len(names):
                raise InputError(f"engine.runtime {name}: it cannot be used on this machine: {error}") from error
            _log.warning("the runtime %s cannot be used on this machine, taking the next: %s", name, error)
    raise AssertionError("choose() names one at least")


class _WrongAnswerError(Exception):
    """A runtime computes the packaged network wrongly."""


def _load(runtime: Runtime, wanted: Precision | Literal["auto"], weights: Path | None, cache: Path | None) -> Loaded:
    precision = _best(runtime, weights, cache) if wanted == "auto" else wanted
    embedder = FaceEmbedder(weights, runtime=runtime, precision=precision)
    if weights is None and not selftest.knows(embedder.embed):
        raise _WrongAnswerError("it gives wrong embeddings")
    return Loaded(FaceDetector(runtime=runtime, precision=precision), embedder, runtime.name, precision)


def _best(runtime: Runtime, weights: Path | None, cache: Path | None) -> Precision:
    """What was measured here before, else measured now."""
    if runtime.device == "gpu" or not has_bfloat16():
        return "float32"
    described = facenet_description(weights)
    key = f"{runtime.name} {described.identity[:20]} {_processor()}"
    known = _remembered(cache)
    if key in known:
        return known[key]
    measured = selftest.compare(lambda precision: runtime.compile(described, precision))
    _log.info(
        "%s: bfloat16 is %.1f times as fast as float32, embeddings agree to %.5f: taking %s",
        runtime.name,
        measured.gain,
        measured.cosine,
        measured.best,
    )
    _remember(cache, {**known, key: measured.best})
    return measured.best


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
