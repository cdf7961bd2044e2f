"""Measures accuracy on a kit of labelled pictures: `make accuracy`, or `python -m benchmarks.accuracy --kit KIT`.

Writes every figure to `benchmarks/results/accuracy.json`, and from there the tables of docs/accuracy.md and its plots.
No picture, name or embedding of anybody goes there. `--page` only makes page and plots again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_page import PAGE, rendered
from camwatch import __version__
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.files import write_whole
from camwatch.tools.bench.machine import describe
from tests.accuracy import kit as product
from tests.accuracy import openset
from tests.accuracy.faces import Faces, read
from tests.accuracy.galleries import KINDS, draw
from tests.accuracy.groups import groups
from tests.accuracy.kept import kept
from tests.accuracy.rules import COMPREFACE_NAMED, FITTED, FRIGATE_NAMED, FRIGATE_UNKNOWN, RULES, frigate
from tests.accuracy.twins import pairs

RESULTS = Path(__file__).parent / "results" / "accuracy.json"
KIT = Path(__file__).parents[2] / "shared" / "eval"
SIZES, PHOTOS, RATES = (1, 3, 10, 30, 100), (1, 3, 5), (0.01, 0.001)
ASKED = (0.05, 0.01)
COMPARED = ("still", "visit", "mixed")
"""What all rules are compared on; `frame` is measured for camwatch alone."""
_FITTED_GALLERIES = 20  # those that need fitting take long
_PAIRS = 10


def main() -> int:
    """Measure, and render."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kit", type=Path, default=KIT, help="a folder with labels.json (default: ../shared/eval)")
    parser.add_argument("--galleries", type=int, default=200, help="random galleries of each size (default: 200)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: benchmarks/results/accuracy.json")
    parser.add_argument("--page", action="store_true", help="measure nothing, render what is in the results")
    arguments = parser.parse_args()
    if not arguments.page:
        if not (arguments.kit / "labels.json").is_file():
            print(f"accuracy: {arguments.kit}: no labels.json there; --kit names a kit of pictures", file=sys.stderr)
            return 2
        told = measured(arguments.kit, arguments.galleries)
        write_whole(arguments.out, (json.dumps(told, indent=1) + "\n").encode(), mode=0o644)
    told = json.loads(arguments.out.read_text("utf-8"))
    write_whole(PAGE, rendered(PAGE.read_text("utf-8"), told).encode(), mode=0o644)
    from benchmarks.accuracy_plots import draw_all  # plots need matplotlib; figures and tables do not

    draw_all(told)
    return 0


def measured(kit: Path, galleries: int) -> dict[str, Any]:
    """All figures; progress on stderr."""
    say = Progress()
    about = {"schema": 1, "camwatch": __version__, "measured_at": datetime.now(UTC).isoformat(timespec="seconds")}
    told = about | {"machine": describe()} | by_engine(kit, say)
    analyzer = FaceAnalyzer(precision="float32")
    say("the stills, and poor frames of them")
    faces = read(analyzer, kit)
    return told | searched(faces, galleries, say) | {"seconds": round(say.seconds)}


def by_engine(kit: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """The kit as its scorer has it: in float32, which every machine has, and as this one would compute by itself."""
    told: dict[str, Any] = {"scored": {}}
    for precision in ("float32", "auto"):
        analyzer = FaceAnalyzer(precision=precision)
        if analyzer.precision not in told["scored"]:
            say(f"the kit, as its scorer has it, in {analyzer.precision}")
            told["scored"][analyzer.precision] = scored(kit, product.run(analyzer, kit))
            told |= {"engine": {"network": analyzer.network, "runtime": analyzer.runtime}}
    return told


class Progress:
    """Lines on stderr, each with the seconds since the start."""

    def __init__(self) -> None:
        """Start."""
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    def __call__(self, what: str) -> None:
        """Say what comes next."""
        print(f"{self.seconds:5.0f} s  {what}", file=sys.stderr, flush=True)


def scored(kit: Path, outcome: product.Outcome) -> dict[str, Any]:
    """What the kit's scorer says, without names, and how long names took in its videos."""
    parts = {
        name: {key: value for key, value in part.items() if key != "detail"}
        for name, part in product.score(kit, outcome.pred).items()
    }
    waits = [wait for events in outcome.events.values() for wait in product.waits(events)]
    p50, p95 = np.quantile(waits, [0.5, 0.95])
    return parts | {"waits": {"names": len(waits), "p50": float(p50), "p95": float(p95)}}


def searched(faces: Faces, galleries: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All that random galleries tell."""
    told: dict[str, Any] = {"galleries": galleries, "kit": _kit(faces), "found": [], "asked": []}
    for photos in PHOTOS:
        for people in SIZES:
            say(f"galleries of {people} with {photos}")
            told["found"] += _found(faces, people, photos, galleries)
            told["asked"] += _asked(faces, people, photos, galleries)
    say("look-alikes, and groups of faces")
    told["pairs"] = {str(rate): [asdict(pair) for pair in pairs(faces, _PAIRS, rate)] for rate in ASKED}
    trials = (draw(faces, 10, 3, seed) for seed in range(galleries))
    told["groups"] = [asdict(one) for one in groups(faces, trials, 0.01)]
    return told


def _found(faces: Faces, people: int, photos: int, galleries: int) -> Iterator[dict[str, Any]]:
    """Rule by rule, at one threshold for all galleries of the size; and at the thresholds that others publish."""
    published: dict[str, Callable[..., Any]] = {"Frigate as published": partial(frigate, unknown=FRIGATE_UNKNOWN)}
    limits = {"Frigate as published": FRIGATE_NAMED, "CompreFace": COMPREFACE_NAMED}
    trials = [draw(faces, people, photos, seed) for seed in range(galleries)]
    for kind in KINDS:
        rules = RULES | published if kind in COMPARED else {"camwatch": RULES["camwatch"]}
        scores = openset.score(faces, trials, rules, kind)
        ours: list[float] = []
        if people > 1 and kind in COMPARED:
            few = trials[:_FITTED_GALLERIES]
            scores |= openset.score(faces, few, FITTED, kind)
            same = openset.score(faces, few, {"camwatch": RULES["camwatch"]}, kind)["camwatch"]
            ours = [openset.found(same, rate) for rate in RATES]
        for rule, said in scores.items():
            row: dict[str, Any] = {"photos": photos, "people": people, "kind": kind, "rule": rule}
            row["found"] = [openset.found(said, rate) for rate in RATES]
            row["limit"] = [openset.threshold(said.strangers, rate) for rate in RATES]
            if rule == "camwatch":
                row["interval"] = [openset.interval(said, rate) for rate in RATES]
                row["best"] = [openset.found(said, rate) for rate in ASKED]
            if rule in FITTED:
                row["ours"] = ours  # on the same galleries
            if rule in limits:
                row["published"] = openset.at(said, limits[rule])
            yield row


def _asked(faces: Faces, people: int, photos: int, galleries: int) -> Iterator[dict[str, Any]]:
    """The product's own threshold, for the rates that are asked for."""
    for kind in COMPARED:
        trials = (draw(faces, people, photos, seed) for seed in range(galleries))
        for rate, one in kept(faces, trials, kind, ASKED).items():
            yield {"photos": photos, "people": people, "kind": kind, "rate": rate} | asdict(one)


def _kit(faces: Faces) -> dict[str, int]:
    sizes = [len(faces.of(person)) for person in range(len(faces.names))]
    return {
        "people": faces.probed,
        "fewest_stills": min(sizes[: faces.probed]),
        "most_stills": max(sizes[: faces.probed]),
        "strangers": len(sizes) - faces.probed,
        "stills": sum(sizes),
        "lost": len(faces.lost),
    }


if __name__ == "__main__":
    sys.exit(main())
