"""Plots what a frame costs by cameras, faces and resolution: `python -m benchmarks.growth [RESULTS.json]`.

Reads the section `growth` of `camwatch bench --json`; without a file it is measured first. With `--live`, what
`python -m benchmarks.cameras --cameras 1,2,4,8,16,32 --gate both --json FILE` measured on live cameras is drawn too.
"""

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from camwatch.tools.bench.command import bench

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
_SAID = {
    "cameras": ("cameras whose frames are analysed together", "640 x 360, finding faces"),
    "faces": ("faces in the frame", "640 x 360, finding and embedding every face"),
    "size": ("megapixels", "finding faces, one frame at a time"),
}
Point = tuple[float, float, float, float]
"""Where, and the median and quartiles there."""


def main() -> int:
    """Draw, from a file or from a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", help="what `camwatch bench --json` printed")
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="DIR", help="default: docs/pictures")
    parser.add_argument("--live", type=Path, metavar="FILE", help="what `benchmarks.cameras --json` wrote")
    parser.add_argument("--threads", type=int, default=1, help="which of the measured settings (default: 1)")
    arguments = parser.parse_args()
    told = _measured(arguments.threads) if arguments.results is None else json.loads(arguments.results.read_text())
    found = [r for r in told["results"] if r["section"] == "growth" and r["threads"] == arguments.threads]
    if not found or "failed" in found[0]:
        print(f"no growth with {arguments.threads} threads in the results", file=sys.stderr)
        return 1
    for by in _SAID:
        threads = f"{arguments.threads} thread{'s' * (arguments.threads > 1)}"
        across, title = _SAID[by]
        labels = across, "CPU ms for a frame", f"{title}, {threads}"
        draw(arguments.out / f"growth_{by}.png", series(found[0]["lines"], by), labels)
    if arguments.live is not None:
        labels = "live cameras", "cores in use", "the whole daemon; crosses did not hold"
        held, failed = live(json.loads(arguments.live.read_text("utf-8"))["results"])
        draw(arguments.out / "growth_live.png", held, labels, crosses=failed)
    return 0


def series(lines: Sequence[Mapping[str, Any]], by: str) -> dict[str, list[Point]]:
    """CPU ms for each contestant."""
    found: dict[str, list[Point]] = {}
    for line in lines:
        if line["by"] == by:
            for row in line["rows"]:
                cost = row["cpu_ms"]
                found.setdefault(row["label"], []).append((_place(line["value"]), *_quartiles(cost)))
    return found


def live(results: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[Point]], dict[str, list[Point]]]:
    """Cores that the daemon took by cameras, with the motion gate and without: where it held, and where not."""
    held: dict[str, list[Point]] = {}
    failed: dict[str, list[Point]] = {}
    for result in sorted(results, key=lambda each: int(each["plan"]["cameras"])):
        took = result["daemon_cpu"]
        label = "motion gate on" if result["plan"]["gate"] else "motion gate off"
        point = float(result["plan"]["cameras"]), took, took, took
        (held if result["held"] else failed).setdefault(label, []).append(point)
    return held, failed


def draw(
    path: Path,
    found: Mapping[str, Sequence[Point]],
    labels: tuple[str, str, str],
    *,
    crosses: Mapping[str, Sequence[Point]] | None = None,
) -> None:
    """One plot: medians as lines, quartiles as bars, `crosses` without lines. Prints its path.

    Args:
        path: The PNG file.
        found: Points by contestant.
        labels: Across, upwards, and the title.
        crosses: Points beside the lines.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), dpi=120, layout="constrained")
    for label, points in found.items():
        x, middle, low, high = zip(*points, strict=True)
        below = [m - v for m, v in zip(middle, low, strict=True)]
        above = [v - m for m, v in zip(middle, high, strict=True)]
        axes.errorbar(x, middle, yerr=(below, above), marker="o", markersize=3, capsize=2, label=label)
    for points in (crosses or {}).values():
        axes.plot([point[0] for point in points], [point[1] for point in points], "x", color="black")
    axes.set(xlabel=labels[0], ylabel=labels[1], title=labels[2])
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)
    print(path)


def _measured(threads: int) -> Any:
    out = io.StringIO()
    bench(
        only="growth",
        threads=str(threads),
        rounds=5,
        seconds=20.0,
        videos=[],
        sizes=None,
        min_faces=None,
        runtimes=None,
        precisions=None,
        json_output=True,
        results=out,
    )
    return json.loads(out.getvalue())


def _place(value: float | str) -> float:
    """A number as it is; a size as megapixels."""
    if isinstance(value, str):
        width, height = value.split("x")
        return int(width) * int(height) / 1e6
    return float(value)


def _quartiles(cost: Mapping[str, float]) -> tuple[float, float, float]:
    return cost["median"], cost["low"], cost["high"]


if __name__ == "__main__":
    sys.exit(main())
