"""Measures rates, FaceNet and the detector in one process, through `camwatch.engine` with JAX."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_figures import detection_gflop
from benchmarks.gpu_pictures import Shown
from camwatch.engine.alignment import chip
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.facenet import facenet_description
from camwatch.engine.jax_runtime import JaxRuntime
from camwatch.engine.mtcnn import CALLS, Calls, FaceDetector
from camwatch.engine.runtime import Network, Precision, Run
from camwatch.records import Picture
from camwatch.tools.bench.timing import spread

LEAST_ROUNDS = 5
MOST_ROUNDS = 200
Measurements = Iterator[dict[str, Any]]


def precision_of(mode: str) -> Precision:
    """What the engine calls it."""
    return "bfloat16" if mode == "bfloat16" else "float32"


@contextmanager
def multiplied_as(mode: str) -> Iterator[None]:
    """JAX multiplies float32 exactly for `float32`, and as fast as it can for the other modes; in this thread."""
    import jax

    with jax.default_matmul_precision("highest" if mode == "float32" else "default"):
        yield


def rates(mode: str, *, large: bool, seconds: float) -> Measurements:
    """GFLOP a second of matrix products and convolutions.

    Args:
        mode: See `gpu_figures.MODES`.
        large: Sizes that fill a GPU; small ones are for trying this out.
        seconds: How long each is measured.
    """
    import jax
    import jax.numpy as jnp

    dtype = jnp.dtype(precision_of(mode))
    side, count = (8192, 256) if large else (512, 4)

    def random(seed: int, *shape: int) -> Any:
        return jax.random.normal(jax.random.key(seed), shape, jnp.float32).astype(dtype)

    def convolved(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    works: dict[str, tuple[Any, Any, Any, float]] = {
        f"matrix product {side}": (jnp.matmul, random(1, side, side), random(2, side, side), 2.0 * side**3)
    }
    for channels, at in ((256, 32), (192, 38), (64, 80)):
        x, kernel = random(1, count, at, at, channels), random(2, 3, 3, channels, channels)
        works[f"3x3 {channels}->{channels}"] = convolved, x, kernel, 2.0 * 9 * channels**2 * count * at * at
    for work, (function, a, b, flops) in works.items():
        with multiplied_as(mode):
            took = repeated(partial(_finished, jax.jit(function), a, b), seconds)
        yield {"mode": mode, "work": work, "gflops": flops / min(took) / 1e9}


def copies(runtime: JaxRuntime, *, large: bool, seconds: float) -> Measurements:
    """GB a second of pixels to the device, and of answers back."""
    import jax

    pixels = np.random.default_rng(0).integers(0, 256, (1 << 26 if large else 1 << 20,), np.uint8)
    took = repeated(partial(_finished, runtime.put, pixels), seconds)
    yield {"mode": "copy", "work": "to the device", "gbytes": pixels.nbytes / min(took) / 1e9}
    answers = runtime.put(pixels)
    double = jax.jit(lambda x, n: x + n)
    took = []
    for number in range(MOST_ROUNDS // 10):  # an array keeps what was fetched: each time another one
        fresh = double(answers, np.uint8(number)).block_until_ready()
        started = time.perf_counter()
        np.asarray(fresh)
        took.append(time.perf_counter() - started)
    yield {"mode": "copy", "work": "from the device", "gbytes": pixels.nbytes / min(took) / 1e9}


def embedding(
    runtime: JaxRuntime, mode: str, chips: NDArray[np.uint8], batches: Sequence[int], seconds: float
) -> Measurements:
    """FaceNet by batch: from pixels in main memory to embeddings there, and from pixels on the device.

    Args:
        runtime: What computes it.
        mode: See `gpu_figures.MODES`.
        chips: As many as the largest batch, (n, 160, 160, 3) uint8.
        batches: Powers of two.
        seconds: How long each is measured.
    """
    with multiplied_as(mode):
        function = runtime.resident(facenet_description(), precision_of(mode))
        run = runtime.run_of(function)
        for batch in batches:
            shown = chips[:batch]
            first = taken(partial(run, shown))
            there = runtime.put(shown)
            yield {
                "mode": mode,
                "batch": batch,
                "first_s": first,
                "run": asdict(spread(repeated(partial(run, shown), seconds))),
                "resident": asdict(
                    spread(repeated(partial(_finished, function, there), seconds)),
                ),
            }


@dataclass(slots=True)
class Spent:
    """What went into a network: seconds of its calls, calls, and pictures in them."""

    seconds: float = 0.0
    calls: int = 0
    pictures: int = 0


class Watched:
    """A `Runtime` that keeps account of what its networks do.

    Args:
        inner: What computes them.

    Attributes:
        spent: By network, since it was last cleared.
    """

    def __init__(self, inner: JaxRuntime) -> None:
        """Nothing is spent yet."""
        self.name, self.device = inner.name, inner.device
        self.spent: dict[str, Spent] = {}
        self._inner = inner

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`."""
        run = self._inner.compile(network, precision)

        def watched(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            started = time.perf_counter()
            answer = run(pixels)
            spent = self.spent.setdefault(network.name, Spent())
            spent.seconds += time.perf_counter() - started
            spent.calls += 1
            spent.pictures += len(pixels)
            return answer

        return watched


class NoEmbedder:
    """Stands where an analyzer has FaceNet, for detection alone."""

    network = ""

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NoReturn:
        """Nobody asks."""
        raise AssertionError("detection alone is measured")


def finder(runtime: Any, mode: str, canvas: int | None = None) -> FaceAnalyzer:
    """An analyzer that finds faces only.

    Args:
        runtime: A `Runtime`.
        mode: See `gpu_figures.MODES`.
        canvas: Canvas pixels in a call of P-Net; None for what the detector takes on this device. With the number
            that a CPU has, the other networks' calls are those of a CPU too.
    """
    standard = CALLS[runtime.device]
    if canvas is None:
        calls = standard
    elif canvas == CALLS["cpu"].canvas:
        calls = CALLS["cpu"]
    else:
        calls = Calls(canvas, standard.rnet, standard.onet)
    detector = FaceDetector(runtime=runtime, precision=precision_of(mode), calls=calls)
    return FaceAnalyzer(detector=detector, embedder=NoEmbedder())


def detection(
    runtime: JaxRuntime,
    mode: str,
    size: str,
    shown: Shown,
    batches: Sequence[int],
    *,
    min_face: int,
    seconds: float,
    canvas: int | None = None,
) -> Measurements:
    """Finding faces by batch: `FaceAnalyzer.detect` from pictures in main memory to boxes.

    Args:
        runtime: What computes the networks.
        mode: See `gpu_figures.MODES`.
        size: Of the pictures, `640x360`.
        shown: The pictures.
        batches: How many pictures in one call.
        min_face: Side of the smallest face, pixels.
        seconds: How long each is measured.
        canvas: See `finder`.
    """
    with multiplied_as(mode):
        watched = Watched(runtime)
        analyzer = finder(watched, mode, canvas)
        for batch in batches:
            pictures = shown.batch(batch)
            detect = partial(analyzer.detect, pictures, min_face)
            first = taken(detect)
            watched.spent.clear()
            rounds, spent = [], []
            for took in timed(detect, seconds):
                rounds.append(took)
                spent.append(dict(watched.spent))
                watched.spent.clear()
            middle = spent[int(np.argsort(rounds)[len(rounds) // 2])]
            crops = {name: middle[name].pictures / batch if name in middle else 0.0 for name in ("rnet", "onet")}
            named = {name: middle.get(name, Spent()) for name in ("pnet", "rnet", "onet")}
            width, height = map(int, size.split("x"))
            yield {
                "mode": mode,
                "size": size,
                "batch": batch,
                "min_face": min_face,
                "canvas": canvas or CALLS[runtime.device].canvas,
                "first_s": first,
                "run": asdict(spread(rounds)),
                "networks_s": sum(each.seconds for each in named.values()),
                "network_ms": {name: each.seconds / batch * 1e3 for name, each in named.items()},
                "network_calls": {name: each.calls for name, each in named.items()},
                "crops": crops,
                "gflop": detection_gflop((width, height), min_face, crops),
            }


def chips_in(analyzer: FaceAnalyzer, pictures: Sequence[Picture], count: int, min_face: int) -> NDArray[np.uint8]:
    """So many faces of the pictures as chips (n, 160, 160, 3); those of few come again, mirrored every other time."""
    found = [
        chip(picture, face.box)
        for picture, faces in zip(pictures, analyzer.detect(pictures, min_face), strict=True)
        for face in faces
    ]
    once = np.stack(found[:count])
    both = np.concatenate([once, once[:, :, ::-1]])
    return np.ascontiguousarray(np.concatenate([both] * -(-count // len(both)))[:count])


def _finished(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of JAX answers, once it is there: calls only begin the work."""
    return function(*arguments).block_until_ready()


def taken(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def timed(call: Callable[[], Any], seconds: float) -> Iterator[float]:
    """Seconds of each round: at least `LEAST_ROUNDS`, none begun after `seconds`."""
    until = time.perf_counter() + seconds
    for number in range(MOST_ROUNDS):
        if number >= LEAST_ROUNDS and time.perf_counter() >= until:
            return
        yield taken(call)


def repeated(call: Callable[[], Any], seconds: float) -> list[float]:
    """Seconds of each round, after one that does not count."""
    call()
    return list(timed(call, seconds))


def cosines(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """The least cosine of two sets of unit rows."""
    return float((ours.astype(np.float64) * theirs).sum(-1).min())


def error(ours: NDArray[np.float32], reference: NDArray[np.float32]) -> float:
    """Length of the difference, relative to the reference's."""
    exact = reference.astype(np.float64)
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))
