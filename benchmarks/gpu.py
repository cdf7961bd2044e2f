"""What the networks give on a GPU through JAX: `python -m benchmarks.gpu --help`, from the repository's root.

Rates of the machine itself, FaceNet and the detector by batch, the detector called from several threads, and whether
the answers are those of a CPU. `--keep FILE` writes the pictures for a machine that lacks PyAV or the footage. What is
measured is written to the file of `--json` as it comes, so that a run that is cut off leaves what it had.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import gpu_figures, gpu_pictures
from benchmarks.gpu_agreement import agreement, answers
from benchmarks.gpu_figures import MODES
from benchmarks.gpu_measure import Measurements, chips_in, copies, detection, embedding, finder, multiplied_as, rates
from benchmarks.gpu_pictures import Shown
from benchmarks.gpu_work import facenet_flops
from camwatch.engine.jax_runtime import JaxRuntime
from camwatch.files import write_whole
from camwatch.tools.bench.machine import describe

SECTIONS = ("rates", "embed", "detect", "callers", "agree")
CALLERS = (1, 2, 4, 8)
_CHIPS = 64  # faces whose embeddings are compared
_CALLS = 4  # of each caller
Job = tuple[str, str, Callable[[], Measurements]]
"""A section, what of it, and what measures it."""


def main() -> int:
    """Measure what the command line asks for."""
    arguments = _arguments()
    if arguments.keep is not None:
        gpu_pictures.keep(arguments.keep, arguments.sizes)
        return 0
    if arguments.render is not None:
        print("\n".join(gpu_figures.tables(json.loads(arguments.render.read_text("utf-8")))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if arguments.pictures is None:
            arguments.pictures = Path(folder, "pictures.npz")
            gpu_pictures.keep(arguments.pictures, arguments.sizes)
        runtime = JaxRuntime(device=arguments.device, threads=arguments.threads)
        if arguments.answer:
            _answer(arguments, runtime)
        else:
            _measure(arguments, runtime)
    return 0


def _answer(arguments: argparse.Namespace, runtime: JaxRuntime) -> None:
    """The part of a comparison that a child computes."""
    given, out = arguments.answer
    with np.load(given, allow_pickle=False) as file:
        chips = file["chips"]
    found = answers(runtime, "float32", arguments.pictures, arguments.sizes, chips, arguments.min_face)
    np.savez(out, **found)


def _measure(arguments: argparse.Namespace, runtime: JaxRuntime) -> None:
    import jax

    told: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "settings": {"seconds": arguments.seconds, "min_face": arguments.min_face, "threads": arguments.threads},
        "facenet_gflop": facenet_flops() / 1e9 if _needs_facenet(arguments) else 0.0,
        **{section: [] for section in SECTIONS},
        "skipped": [],
    }
    until = time.monotonic() + 60 * arguments.minutes
    for section, what, job in _jobs(arguments, runtime):
        started = time.monotonic()
        measured = job()
        while True:
            if time.monotonic() > until:
                told["skipped"].append(f"{section} {what} after {len(told[section])} rows")
                break
            row = next(measured, None)
            if row is None:
                break
            told[section].append(row)
            _write(arguments, told)
        print(f"{section} {what}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    statistics = jax.devices()[0].memory_stats() or {}
    told["peak_memory_mb"] = statistics.get("peak_bytes_in_use", 0) / 1e6
    _write(arguments, told)
    print("\n".join(gpu_figures.tables(told)))


def _write(arguments: argparse.Namespace, told: dict[str, Any]) -> None:
    if arguments.json is not None:
        write_whole(arguments.json, json.dumps(told, indent=1).encode(), mode=0o644)


def _jobs(arguments: argparse.Namespace, runtime: JaxRuntime) -> Iterator[Job]:
    """What there is to do; what matters most comes first, as time may run out."""
    large, seconds, kept, least = runtime.device == "gpu", arguments.seconds, arguments.pictures, arguments.min_face
    if "rates" in arguments.only:
        for mode in MODES:
            yield "rates", mode, partial(rates, mode, large=large, seconds=seconds)
        yield "rates", "copies", partial(copies, runtime, large=large, seconds=seconds)
    shown = {size: gpu_pictures.read(kept, size) for size in arguments.sizes}
    if _needs_facenet(arguments):
        everywhere = [*shown[arguments.sizes[0]].walls, *shown[arguments.sizes[0]].scenes]
        chips = chips_in(finder(runtime, "tf32"), everywhere, max(_CHIPS, *arguments.batches), least)
    for number, mode in enumerate(arguments.modes):
        if "embed" in arguments.only:
            yield "embed", mode, partial(embedding, runtime, mode, chips, arguments.batches, seconds)
        for size in arguments.sizes if "detect" in arguments.only else ():
            for canvas in arguments.canvas:
                detecting = _detecting(arguments, runtime, size, mode, canvas, shown)
                yield "detect", f"{size} {mode} {canvas or ''}", detecting
        if "agree" in arguments.only and number == 0:
            sizes = arguments.sizes
            yield "agree", "", partial(agreement, runtime, arguments.modes, kept, sizes, chips[:_CHIPS], least)
        for size in arguments.sizes if "callers" in arguments.only and number == 0 else ():
            yield "callers", size, partial(_callers, runtime, mode, size, shown[size], least)


def _detecting(
    arguments: argparse.Namespace, runtime: JaxRuntime, size: str, mode: str, canvas: int, shown: dict[str, Shown]
) -> Callable[[], Measurements]:
    return partial(
        detection,
        runtime,
        mode,
        size,
        shown[size],
        arguments.batches,
        min_face=arguments.min_face,
        seconds=arguments.seconds,
        canvas=canvas or None,
    )


def _callers(runtime: JaxRuntime, mode: str, size: str, shown: Shown, min_face: int) -> Measurements:
    """Frames a second where several threads call one detector, as the daemon's lanes do."""
    batch = 32
    analyzer, pictures = finder(runtime, mode), shown.batch(batch)

    def calls() -> None:
        with multiplied_as(mode):
            for _ in range(_CALLS):
                analyzer.detect(pictures, min_face)

    calls()
    for count in CALLERS:
        threads = [threading.Thread(target=calls) for _ in range(count)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        frames = count * _CALLS * batch
        row = {"size": size, "mode": mode, "callers": count, "batch": batch}
        yield row | {"frames_per_s": frames / (time.perf_counter() - started)}


def _needs_facenet(arguments: argparse.Namespace) -> bool:
    return bool({"embed", "agree"} & set(arguments.only))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.split("\n")[0])
    words = lambda text: text.split(",")  # noqa: E731
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--only", type=words, default=SECTIONS, help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--modes", type=words, default=["tf32", "bfloat16", "float32"], help=f"of {','.join(MODES)}")
    parser.add_argument("--batches", type=numbers, default=[1 << power for power in range(9)], help="powers of two")
    parser.add_argument("--sizes", type=words, default=["640x360", "1280x720"])
    parser.add_argument("--canvas", type=numbers, default=[0], help="canvas pixels a call of P-Net; 0: the detector's")
    parser.add_argument("--min-face", type=int, default=40)
    parser.add_argument("--threads", type=int, help="CPU threads of OpenCV; as many as there are cores by default")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each thing is measured")
    parser.add_argument("--minutes", type=float, default=60, help="begins nothing new after so many")
    parser.add_argument("--pictures", type=Path, metavar="FILE", help="what --keep wrote; else the packaged footage")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write the pictures there, and end")
    parser.add_argument("--render", type=Path, metavar="FILE", help="print the tables of what --json wrote, and end")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--answer", type=Path, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
