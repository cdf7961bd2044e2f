"""The figures, section by section: who does what, and what of it goes into the results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from camwatch.tools.bench import agreement
from camwatch.tools.bench.contest import Entry, Worker, compare
from camwatch.tools.bench.flops import crop_flops, pnet_flops
from camwatch.tools.bench.material import Wall, origin, parse_size, scenes, walls
from camwatch.tools.bench.team import EXACT, FAST, Plan, Team
from camwatch.tools.bench.timing import ratios

LOOP = "mtcnn, one by one"
"""The label of the reference: `mtcnn` called for each frame."""
SCRIPT = "the script"


def agree(team: Team, plan: Plan) -> dict[str, Any]:
    """Does camwatch find what `mtcnn` finds? On walls of faces large and small, in all sizes and smallest faces."""
    parts: dict[str, list[agreement.Agreement]] = {worker.name: [] for worker in team.ours}
    rows = []
    for size in plan.sizes:
        shown = walls(parse_size(size), plan.files)
        origins = partial(_origin, shown)
        for min_face in plan.min_faces:
            plan.note(f"agreement: {size}, faces from {min_face} pixels")
            task = _detect(plan, size, min_face, 1) | {"frames": len(shown), "walls": True}
            reference = team.mtcnn.prepare(task)
            for worker in team.ours:
                part = agreement.compare(
                    reference, worker.prepare(task | {"batch": 8}), min_face=min_face, origins=origins
                )
                parts[worker.name].append(part)
                rows.append({"label": worker.name, "size": size, "min_face": min_face} | part.told())
            _clear(team)
    whole = [{"label": name} | agreement.together(each).told() for name, each in parts.items()]
    return {"rows": rows, "together": whole}


def detect(team: Team, plan: Plan) -> dict[str, Any]:
    """CPU and wall time of finding faces in one frame, and whether everybody found the same."""
    comparisons = []
    for size, min_face in _grid(plan):
        plan.note(f"detect: {size}, faces from {min_face} pixels")
        entries = [Entry(LOOP, team.mtcnn, _detect(plan, size, min_face, 1))]
        if plan.pictures(size) >= 8:
            entries.append(Entry("mtcnn, batch of 8", team.mtcnn, _detect(plan, size, min_face, 8)))
        for worker in team.rivals:
            entries += [
                Entry(f"{worker.name}, one by one", worker, _detect(plan, size, min_face, 1)),
                Entry(f"{worker.name}, batch of 8", worker, _detect(plan, size, min_face, 8)),
            ]
        rivals = [entry.label for entry in entries]
        for worker in team.ours:
            entries += [
                Entry(_batched(worker.name, batch), worker, _detect(plan, size, min_face, batch))
                for batch in plan.batches
                if batch <= plan.pictures(size)
            ]
        result = compare(entries, rounds=plan.rounds, seconds=plan.seconds)
        found = result.found
        same = [
            {"label": label} | agreement.compare(found[LOOP], found[label], min_face=min_face).told()
            for label in found
            if label != LOOP
        ]
        comparisons.append(
            {"size": size, "min_face": min_face, "frames": plan.pictures(size)} | result.told(rivals) | {"same": same}
        )
    return {"comparisons": comparisons}


def embed(team: Team, plan: Plan) -> dict[str, Any]:
    """CPU and wall time of embedding one face, in each precision; how alike the embeddings are."""
    with team.precisions() as embedders:
        return _embedded(team.mtcnn, embedders, plan)


def _embedded(mtcnn: Worker, embedders: Sequence[Worker], plan: Plan) -> dict[str, Any]:
    plan.note("embed: one face at a time, and in batches")
    # everybody embeds the same chips: those that the reference found
    where = {"size": plan.sizes[0], "frames": plan.pictures(plan.sizes[0])}
    found = mtcnn.prepare({"kind": "detect", "min_face": 40, "batch": 1} | where)
    boxes = [(number, *face[:4]) for number, faces in enumerate(found) for face in faces]
    task = {"kind": "embed", "batch": 1, "boxes": boxes} | where
    baseline = "packaged graph, one by one"
    entries = [Entry(baseline, mtcnn, task)]
    for worker in embedders:
        entries += [Entry(_batched(worker.name, batch), worker, task | {"batch": batch}) for batch in plan.batches]
    result = compare(entries, rounds=plan.rounds, seconds=plan.seconds)
    rows = {label: np.asarray(found, np.float32) for label, found in result.found.items()}
    exact = [label for label in rows if EXACT in label]
    alike = [
        {"label": label, "to": baseline, "cosine_min": float((rows[label] * rows[baseline]).sum(1).min())}
        for label in rows
        if label != baseline and baseline in rows
    ]
    pairs = [(fast, exactly) for exactly in exact for fast in rows if fast == exactly.replace(EXACT, FAST)]
    alike += [
        {"label": fast, "to": exactly, "cosine_min": float((rows[fast] * rows[exactly]).sum(1).min())}
        for fast, exactly in pairs
    ]
    told = result.told([baseline])
    for fast, exactly in pairs:
        cpu, wall = ratios(result.costs[exactly], result.costs[fast])
        told["ratios"].append({"ours": fast, "rival": exactly, "cpu": asdict(cpu), "wall": asdict(wall)})
    return {"faces": len(boxes)} | told | {"alike": alike}


def pipeline(team: Team, plan: Plan, *, min_face: int = 40) -> dict[str, Any]:
    """The whole path on videos, against the script: decoding is on neither side."""
    comparisons = []
    for name in scenes(plan.files):
        plan.note(f"pipeline: {name}")
        task = {"kind": "pipeline", "scene": name, "frames": plan.scene_frames, "min_face": min_face}
        entries = [Entry(SCRIPT, team.mtcnn, task), *[Entry(worker.name, worker, task) for worker in team.ours]]
        result = compare(entries, rounds=plan.rounds, seconds=plan.seconds, warm=0)
        found = [{"label": label} | each for label, each in result.found.items()]
        comparisons.append({"scene": name, "min_face": min_face} | result.told([SCRIPT]) | {"found": found})
    return {"comparisons": comparisons}


def growth(team: Team, plan: Plan, *, min_face: int = 40) -> dict[str, Any]:
    """Cost of a frame by the cameras in a batch, by the faces in it, by its size."""
    ours, lines = team.ours[0], []
    steps: list[tuple[str, int | str, list[Entry]]] = []
    most = 32
    for cameras in (1, 2, 4, 8, 16, most):
        # the same pictures for any number of cameras: only how many are looked at together differs
        task = {"kind": "detect", "size": "640x360", "min_face": min_face, "batch": cameras, "frames": most}
        steps.append(("cameras", cameras, [Entry(ours.name, ours, task)]))
    for faces in (0, 1, 2, 4, 8, 12, 16):
        task = {"kind": "crowd", "size": "640x360", "min_face": min_face, "faces": faces, "batch": 4}
        steps.append(("faces", faces, [Entry(ours.name, ours, task), Entry(SCRIPT, team.mtcnn, task)]))
    for size in ("320x180", "640x360", "960x540", "1280x720", "1920x1080", "2560x1440", "3840x2160"):
        task = {"kind": "detect", "size": size, "min_face": min_face, "batch": 1, "frames": 2}
        steps.append(("size", size, [Entry(ours.name, ours, task), Entry(LOOP, team.mtcnn, task)]))
    for by, value, entries in steps:
        plan.note(f"growth by {by}: {value}")
        result = compare(entries, rounds=plan.rounds, seconds=plan.seconds)
        lines.append({"by": by, "value": value} | result.told([SCRIPT, LOOP]))
    return {"min_face": min_face, "lines": lines}


def floor(team: Team, plan: Plan, *, min_face: int = 40) -> dict[str, Any]:
    """How far one frame is from what its arithmetic must cost on this machine, and where the rest goes."""
    if team.machine is None:
        return {}
    plan.note("floor: what this machine computes in a second")
    rates = team.machine.prepare({"kind": "rates"})
    rnet, onet = crop_flops()
    frames, faces = [], []
    for size in plan.sizes[:2]:
        plan.note(f"floor: one frame of {size}")
        work = team.mtcnn.prepare({"kind": "work", "size": size, "min_face": min_face, "frames": plan.pictures(size)})
        flops = {
            "pnet": pnet_flops(*parse_size(size), min_face),
            "rnet": work["rnet_crops"] * rnet,
            "onet": work["onet_crops"] * onet,
        }
        task = _detect(plan, size, min_face, 8)
        result = compare(
            [Entry(worker.name, worker, task) for worker in team.ours], rounds=plan.rounds, seconds=plan.seconds
        )
        told = result.told([])["rows"]
        for row in told:
            row["profile"] = next(w for w in team.ours if w.name == row["label"]).prepare(task | {"kind": "profile"})
        frames.append(
            {"size": size, "min_face": min_face, "crops": work, "gflop": {k: v / 1e9 for k, v in flops.items()}}
            | {"floor_ms": _floor_ms(sum(flops.values()), rates), "rows": told}
        )
        faces = [{"gflop": work["facenet_flops"] / 1e9, "floor_ms": _floor_ms(work["facenet_flops"], rates)}]
        _clear(team)
    return {"rates": rates, "best": _best(rates), "frames": frames, "face": faces[0] if faces else None}


def memory(team: Team, plan: Plan) -> dict[str, Any]:
    """What the processes hold after everything before."""
    workers = (*team.ours, team.mtcnn, *team.rivals)
    rows = []
    for worker in workers:
        held = worker.memory()
        rows.append({"label": worker.name} | {f"{key}_mb": held.get(key) for key in ("now", "peak")})
    return {"rows": rows}


SECTIONS: dict[str, Callable[[Team, Plan], dict[str, Any]]] = {
    "agreement": agree,
    "detect": detect,
    "embed": embed,
    "pipeline": pipeline,
    "growth": growth,
    "floor": floor,
    "memory": memory,
}
"""What is measured once for each number of threads, in the order in which it is."""


def _best(rates: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """By precision, the measured work in which most is computed in a CPU second: nothing is known to be faster."""
    best = {}
    for kind in (EXACT, FAST):
        names = [name for name in rates if name.endswith(f" {kind}")]
        best[kind] = max(names, key=lambda name: rates[name]["cpu"])
    return best


def _floor_ms(flops: float, rates: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """CPU milliseconds at the best rate of each precision."""
    return {kind: flops / 1e6 / rates[name]["cpu"] for kind, name in _best(rates).items()}


def _origin(shown: Sequence[Wall], number: int, face: agreement.Found) -> agreement.Origin | None:
    return origin(shown[number], face)


def _grid(plan: Plan) -> Sequence[tuple[str, int]]:
    return [(size, min_face) for size in plan.sizes for min_face in plan.min_faces]


def _detect(plan: Plan, size: str, min_face: int, batch: int) -> dict[str, Any]:
    return {"kind": "detect", "size": size, "min_face": min_face, "batch": batch, "frames": plan.pictures(size)}


def _batched(name: str, batch: int) -> str:
    return f"{name}, one by one" if batch == 1 else f"{name}, batch of {batch}"


def _clear(team: Team) -> None:
    for worker in (*team.ours, team.mtcnn, *team.rivals):
        worker.clear()
