"""camwatch itself as a contestant, through its entry points only."""

import cProfile
import pstats
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError
from camwatch.identification.attention import Attention
from camwatch.identification.evidence import Gates
from camwatch.pipeline import CameraRules, Decider, observe
from camwatch.records import Detection, Frame, Picture
from camwatch.tools.bench.material import chips_of, crowds, frames, scene, scenes, shown_in
from camwatch.tools.bench.work import Prepared, Task, Unable, batches

PIPELINE_BATCH = 8
"""Frames of a recording that are analysed together, as in `camwatch watch`."""


class Camwatch:
    """The engine and the data path.

    Args:
        analyzer: Finds and embeds faces.
        files: The user's footage.
    """

    def __init__(self, analyzer: FaceAnalyzer, files: Sequence[Path]) -> None:
        """Ready for tasks."""
        self._analyzer, self._files = analyzer, files
        self.about = {"runtime": str(analyzer.runtime), "precision": str(analyzer.precision)}

    def prepare(self, task: Task) -> Prepared:
        """See `Contestant`."""
        match task["kind"]:
            case "detect":
                return self._detecting(task)
            case "embed":
                return self._embedding(task)
            case "pipeline":
                return self._path(task)
            case "crowd":
                return self._crowd(task)
            case "profile":
                return self._profile(task)
        raise Unable(f"camwatch does not do {task['kind']}")

    def _detecting(self, task: Task) -> Prepared:
        shown, batch, min_face = shown_in(task, self._files), task["batch"], task["min_face"]

        def run() -> list[list[tuple[float, ...]]]:
            found: list[list[Detection]] = []
            for part in batches(len(shown), batch):
                found += self._analyzer.detect(shown[part], min_face)
            return [[_found(face, picture) for face in faces] for faces, picture in zip(found, shown, strict=True)]

        return Prepared(run, len(shown))

    def _embedding(self, task: Task) -> Prepared:
        chips, batch = chips_of(task, self._files), task["batch"]

        def run() -> list[list[float]]:
            rows: list[list[float]] = []
            for part in batches(len(chips), batch):
                rows += self._analyzer.embed(chips[part]).tolist()
            return rows

        return Prepared(run, len(chips))

    def _path(self, task: Task) -> Prepared:
        shown = frames("bench", scene(scenes(self._files)[task["scene"]], task["frames"]))
        rules = {"bench": CameraRules(min_face=float(task["min_face"]))}

        def run() -> dict[str, int]:
            decider = Decider(rules, node="bench")
            attention = Attention({"bench": Gates(min_height=float(task["min_face"]))})
            seen = embedded = events = 0
            for part in batches(len(shown), PIPELINE_BATCH):
                observations = observe(
                    self._analyzer, shown[part], min_face={"bench": task["min_face"]}, attention=attention
                )
                for observation in observations:
                    seen += len(observation.faces)
                    embedded += sum(face.embedding is not None for face in observation.faces)
                    events += len(decider.decide(observation))
                attention.settle("bench", decider.settled("bench"))
            events += len(decider.flush("bench", len(shown)))
            return {"frames": len(shown), "faces": seen, "embedded": embedded, "events": events}

        return Prepared(run, len(shown))

    def _crowd(self, task: Task) -> Prepared:
        walls, min_face = crowds(task, self._files), int(task["min_face"])
        runs = count()

        def run() -> dict[str, int]:
            # cameras that were never seen: the script has no memory of still pictures either
            cameras = [f"bench {next(runs)}" for _ in walls]
            shown = [Frame(name, 0, 0.0, 0.0, 0.0, wall) for name, wall in zip(cameras, walls, strict=True)]
            observations = self._analyzer.analyze(shown, min_face=dict.fromkeys(cameras, min_face))
            return {"faces": sum(len(each.faces) for each in observations)}

        return Prepared(run, len(walls))

    def _profile(self, task: Task) -> Prepared:
        detecting = self._detecting(task)

        def run() -> list[dict[str, Any]]:
            detecting.run()
            profile = cProfile.Profile(time.process_time)
            profile.runcall(detecting.run)
            return _by_function(profile, detecting.units)

        return Prepared(run, detecting.units)


def load(threads: int, files: Sequence[Path], options: Mapping[str, str]) -> Camwatch:
    """camwatch with its own networks.

    Args:
        threads: CPU threads.
        files: The user's footage.
        options: What `FaceAnalyzer` is told besides: `runtime`, `precision`.

    Raises:
        Unable: It cannot be had so, as the runtime is not installed.
    """
    chosen: dict[str, Any] = dict(options)
    try:
        return Camwatch(FaceAnalyzer(threads=threads, device="cpu", **chosen), files)
    except InputError as error:
        raise Unable(str(error)) from error


def _found(face: Detection, picture: Picture) -> tuple[float, ...]:
    """The box cut at the picture's edges, as the `mtcnn` package reports it, and the confidence."""
    height, width = picture.shape[:2]
    box = face.box
    x1, y1, x2, y2 = max(box.x1, 0.0), max(box.y1, 0.0), min(box.x2, width), min(box.y2, height)
    return x1, y1, x2, y2, face.confidence


def _by_function(profile: cProfile.Profile, frames: int) -> list[dict[str, Any]]:
    """Functions of the engine by the CPU time in them, ms for each frame."""
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]]
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # typeshed does not know it
    rows: list[dict[str, Any]] = []
    for (file, _, function), (calls, _, own, whole, _) in stats.items():
        if "/camwatch/engine/" in file:
            name = f"{file.rpartition('camwatch/')[2].removesuffix('.py')}.{function}"
            times = {"own_ms": own * 1e3 / frames, "whole_ms": whole * 1e3 / frames}
            rows.append({"function": name, "calls": calls / frames} | times)
    return sorted(rows, key=lambda row: row["whole_ms"], reverse=True)[:40]
