"""Whether the networks answer on a GPU as they do on the CPU of the same machine, where a child computes them."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu_measure import Measurements, cosines, error, finder, multiplied_as, precision_of
from benchmarks.gpu_pictures import read
from camwatch.engine import selftest
from camwatch.engine.facenet import facenet_description
from camwatch.engine.jax_runtime import JaxRuntime
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.tools.bench.agreement import Found, compare

Answers = dict[str, Any]
"""By network, its answer to the test pictures; `chips`, embeddings of faces; `faces/SIZE/NUMBER`, (n, 5) of a wall."""


def answers(
    runtime: JaxRuntime, mode: str, kept: Path, sizes: Sequence[str], chips: NDArray[np.uint8], min_face: int
) -> Answers:
    """What a runtime answers.

    Args:
        runtime: It.
        mode: See `gpu_figures.MODES`.
        kept: The file of pictures.
        sizes: Which of them.
        chips: Faces, (n, 160, 160, 3) uint8.
        min_face: Side of the smallest face to find, pixels.
    """
    found: Answers = {}
    with multiplied_as(mode):
        for network in (*mtcnn_descriptions(), facenet_description()):
            run = runtime.compile(network, precision_of(mode))
            found[network.name] = run(selftest.pictures(network.name))
            if network.name == "facenet":
                found["chips"] = run(chips)
        analyzer = finder(runtime, mode)
        for size in sizes:
            walls = read(kept, size).walls
            for number, faces in enumerate(analyzer.detect(walls, min_face)):
                rows = [(each.box.x1, each.box.y1, each.box.x2, each.box.y2, each.confidence) for each in faces]
                found[f"faces/{size}/{number:03}"] = np.array(rows, np.float32).reshape(-1, 5)
    return found


def agreement(
    runtime: JaxRuntime,
    modes: Sequence[str],
    kept: Path,
    sizes: Sequence[str],
    chips: NDArray[np.uint8],
    min_face: int,
) -> Measurements:
    """Each mode against a CPU in float32; see `answers` for the arguments."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "chips.npz"), Path(folder, "answers.npz")
        np.savez(given, chips=chips)
        command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--pictures", str(kept)]
        command += ["--sizes", ",".join(sizes), "--min-face", str(min_face), "--answer", str(given), str(out)]
        subprocess.run(command, check=True)
        with np.load(out, allow_pickle=False) as file:
            exact = {name: file[name] for name in file.files}
    for mode in modes:
        yield from compared(answers(runtime, mode, kept, sizes, chips, min_face), exact, mode, sizes, min_face)


def compared(
    ours: Mapping[str, NDArray[np.float32]],
    exact: Mapping[str, NDArray[np.float32]],
    mode: str,
    sizes: Sequence[str],
    min_face: int,
) -> Measurements:
    """One mode's `answers` beside the exact ones."""
    for name in ("pnet", "rnet", "onet", "facenet", "chips"):
        row: dict[str, Any] = {"mode": mode, "what": name, "error": error(ours[name], exact[name])}
        if name in ("facenet", "chips"):
            row["cosine"] = cosines(ours[name], exact[name])
        yield row
    for size in sizes:
        names = sorted(name for name in exact if name.startswith(f"faces/{size}/"))
        theirs, mine = ([_found(each[name]) for name in names] for each in (exact, ours))
        yield {"mode": mode, "what": f"walls {size}", "faces": compare(theirs, mine, min_face=min_face).told()}


def _found(rows: NDArray[np.float32]) -> list[Found]:
    return [(x1, y1, x2, y2, confidence) for x1, y1, x2, y2, confidence in rows.tolist()]
