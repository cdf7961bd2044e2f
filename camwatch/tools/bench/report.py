"""Results as tables: Markdown, which is read in a terminal as well."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from camwatch.tools.bench.agreement import SMALL

Result = Mapping[str, Any]


def tables(told: Result) -> list[str]:
    """All of `camwatch bench --json` as lines."""
    lines = ["## Machine", "", *machine(told)]
    for name in dict.fromkeys(result["section"] for result in told["results"]):
        lines += ["", f"## {name.capitalize()}", "", *section(told, name)]
    return lines


def machine(told: Result) -> list[str]:
    """What it was measured on: one table for each machine and set of versions, with the sections of which it speaks."""
    if "machine" in told:
        return _older_machine(told)
    of: dict[str, list[Result]] = {}
    for result in told["results"]:
        about = {key: value for key, value in result["machine"].items() if not key.startswith("load")}
        of.setdefault(repr(about), []).append(result)
    lines: list[str] = []
    for results in of.values():
        about, names = results[0]["machine"], dict.fromkeys(result["section"] for result in results)
        lines += ["", *_table(("", ""), [("tables", ", ".join(names)), *_facts(about)])]
    return lines[1:]


def _older_machine(told: Result) -> list[str]:
    """Of results of the first form, which say it once for all sections."""
    about, settings = told["machine"], told["settings"]
    load = about["load_average"][0], about.get("load_average_after", about["load_average"])[0]
    rows = [
        *_facts(about),
        ("load average", f"{load[0]:.1f} before, {load[1]:.1f} after"),
        ("footage", ", ".join(settings["footage"])),
        ("rounds", f"at most {settings['rounds']}, {settings['seconds']:g} s for each comparison"),
        ("measured", f"{told['measured_at']}, camwatch {told['camwatch']}"),
    ]
    return _table(("", ""), rows)


def _facts(about: Result) -> list[tuple[str, str]]:
    unit = "GiB" if "memory_gib" in about else "GB"
    return [
        ("processor", _processor(about)),
        ("instructions", ", ".join(about["flags"]) or "none of interest"),
        ("memory", f"{_number(about[f'memory_{unit.lower()}'], 1)} {unit}"),
        ("system", f"{about['system']}, Python {about['python']}"),
        ("packages", ", ".join(f"{name} {version}" for name, version in about["packages"].items())),
    ]


def _processor(about: Result) -> str:
    return f"{about['processor']} (family {about['family']}, model {about['model']}), {about['cores']} cores"


def _measured(result: Result) -> list[str]:
    """When and where the tables above were made: those of one page may come from several runs."""
    if "machine" not in result:
        return []
    about, settings = result["machine"], result["settings"]
    load = about["load_average"][0], about["load_average_after"][0]
    return [
        "",
        f"Measured {result['measured_at']} with camwatch {result['camwatch']} on {_processor(about)}; "
        f"load average {load[0]:.1f} before, {load[1]:.1f} after; "
        f"rounds: at most {settings['rounds']}, {settings['seconds']:g} s for each comparison; "
        f"footage: {', '.join(settings['footage'])}.",
    ]


def section(told: Result, name: str) -> list[str]:
    """The tables of one section, for each number of threads."""
    lines: list[str] = []
    for result in told["results"]:
        if result["section"] != name:
            continue
        if result["threads"] is not None:
            lines += ["", f"**{result['threads']} thread{'s' if result['threads'] > 1 else ''}**", ""]
        lines += [f"Failed: {result['failed']}"] if "failed" in result else _DRAWN[name](result)
        lines += [f"\n{who}: {why}." for who, why in result.get("absent", {}).items()]
        chosen = result.get("chosen", {}).items()
        lines += [f"\n{who} computed with {what['runtime']} in {what['precision']}." for who, what in chosen]
        lines += _measured(result)
    return lines[1:] if lines and not lines[0] else lines


def _agreement(result: Result) -> list[str]:
    counts = {
        "faces": "faces",
        "distinct": "distinct",
        "small": f"under {SMALL:.0f} px",
        "smallest": "smallest, px",
        "missed": "missed",
        "extra": "extra",
        "asked": "as high as asked",
        "missed_asked": "of these missed",
        "extra_asked": "so high extra",
    }
    keys = [key for key in counts if key in result["together"][0]]

    def row(each: Result, *where: object) -> tuple[object, ...]:
        overlaps = (_number(each[key], 3) for key in ("iou_median", "iou_1_percent", "iou_min"))
        return each["label"], *where, *(_number(each[key], 0) for key in keys), *overlaps

    head = ("", "size", "smallest face", *(counts[key] for key in keys), "IoU median", "1 %", "smallest")
    rows = [row(each, each["size"], each["min_face"]) for each in result["rows"]]
    return _table(head, [*rows, *(row(each, "all", "all") for each in result["together"])])


def _detect(result: Result) -> list[str]:
    comparisons = result["comparisons"]
    lines = ["CPU ms for a frame, median (quartiles):", "", *_matrix(comparisons, "cpu_ms")]
    lines += ["", "Wall ms for a frame, median:", "", *_matrix(comparisons, "wall_ms", quartiles=False)]
    lines += ["", "How many times faster, by CPU time (wall time):", "", *_faster(comparisons)]
    rows = [
        (each["size"], each["min_face"], same["label"], same["faces"], same["missed"], same["extra"])
        for each in comparisons
        for same in each["same"]
        if same["missed"] or same["extra"]
    ]
    lines += ["", "Who did not find just the sure faces that `mtcnn`, one by one, found in these frames:", ""]
    return lines + _table((*_WHERE, "", "its faces", "missed", "extra"), rows or [("all", "all", "nobody", "", 0, 0)])


def _embed(result: Result) -> list[str]:
    baseline = next((pair["rival"] for pair in result["ratios"]), "")
    rows = []
    for each in result["rows"]:
        exact = each["label"].replace("bfloat16", "float32")
        faster = _ratio(result, each["label"], baseline), _ratio(result, each["label"], exact)
        rows.append((each["label"], _spread(each["cpu_ms"]), _spread(each["wall_ms"]), *faster))
    ratio = "times faster than the {}, CPU (wall)"
    head = ("", "CPU ms for a face", "wall ms", ratio.format("packaged graph"), ratio.format("same in float32"))
    lines = _table(head, rows)
    if result["alike"]:
        alike = [(each["label"], each["to"], _number(each["cosine_min"], 5)) for each in result["alike"]]
        lines += ["", *_table(("", "compared with", "smallest cosine"), alike)]
    return lines


def _pipeline(result: Result) -> list[str]:
    rows = []
    for each in result["comparisons"]:
        found = {one["label"]: one for one in each["found"]}
        for row in each["rows"]:
            one, faster = found[row["label"]], _ratio(each, row["label"])
            faces = (_number(_share(one[key], one["frames"]), 2) for key in ("faces", "embedded"))
            rows.append((each["scene"], row["label"], *faces, _spread(row["cpu_ms"]), _spread(row["wall_ms"]), faster))
    head = ("scene", "", "faces in a frame", "embedded", "CPU ms for a frame", "wall ms", "times faster, CPU (wall)")
    return _table(head, rows)


def _growth(result: Result) -> list[str]:
    rows = [
        (line["by"], line["value"], row["label"], _spread(row["cpu_ms"]), _ratio(line, row["label"]))
        for line in result["lines"]
        for row in line["rows"]
    ]
    return _table(("by", "", "", "CPU ms for a frame", "times faster, CPU (wall)"), rows)


def _floor(result: Result) -> list[str]:
    if not result.get("rates"):
        return ["The machine's rates could not be measured."]
    rates = [(name, _number(each["cpu"], 0), _number(each["wall"], 0)) for name, each in result["rates"].items()]
    lines = _table(("", "GFLOP in a CPU second", "in a second"), rates)
    if "best" in result:
        lines += ["", f"The floor is at the best rates: {' and '.join(result['best'].values())}."]
    rows, profile = [], []
    for frame in result["frames"]:
        work = frame["gflop"]
        for row in frame["rows"]:
            floors = frame["floor_ms"]
            away = (_number(_share(row["cpu_ms"]["median"], floors[kind]), 1) for kind in ("float32", "bfloat16"))
            parts = " + ".join(f"{work[name]:.2f}" for name in ("pnet", "rnet", "onet"))
            floor = " / ".join(_number(floors[kind], 1) for kind in ("float32", "bfloat16"))
            rows.append((frame["size"], row["label"], parts, floor, _spread(row["cpu_ms"]), " / ".join(away)))
            top = [each for each in row["profile"] if each["whole_ms"] > 0.02 * (row["cpu_ms"]["median"] or 0.0)][:20]
            for each in top:
                times = f"{each['calls']:.1f}", f"{each['whole_ms']:.2f}", f"{each['own_ms']:.2f}"
                profile.append((frame["size"], row["label"], f"`{each['function']}`", *times))
    head = ("size", "", "GFLOP: P-, R-, O-Net", "floor, CPU ms: f32 / bf16", "CPU ms", "times the floor: f32 / bf16")
    lines += ["", *_table(head, rows)]
    face = result["face"]
    if face:
        least = " in float32, ".join(_number(face["floor_ms"][kind], 1) for kind in ("float32", "bfloat16"))
        lines += ["", f"One face embedded is {face['gflop']:.2f} GFLOP: at least {least} in bfloat16, CPU ms."]
    head = ("size", "", "function", "calls for a frame", "CPU ms with what it calls", "of its own")
    return [*lines, "", "Where the time of one frame goes, as the profiler sees it:", "", *_table(head, profile)]


def _memory(result: Result) -> list[str]:
    unit = _unit(result["rows"])
    rows = [(each["label"], *(_number(_held(each, key), 0) for key in ("now", "peak"))) for each in result["rows"]]
    return _table(("", f"resident {unit} after all of the above", "at the peak"), rows)


def _start(result: Result) -> list[str]:
    rows = []
    for each in result["rows"]:
        if "failed" in each:
            rows.append((each["label"], each["failed"], "", "", ""))
            continue
        held = ", ".join(
            f"{one['process']} {_number(_held(one, 'now'), 0)} ({_number(_held(one, 'shared'), 0)})"
            for one in each["processes"]
        )
        seconds = (_number(each[key], 1) for key in ("first_ready_s", "ready_s", "stop_s"))
        rows.append((each["label"], *seconds, held))
    head = ("", "seconds until ready, the first time", "after that", "seconds to stop")
    unit = _unit([one for each in result["rows"] for one in each.get("processes", ())])
    return _table((*head, f"resident {unit} (shared memory in it)"), rows)


def _held(row: Result, key: str) -> float | None:
    """Memory in MB; in MiB in results of the first form."""
    return next((row[name] for name in (f"{key}_mb", f"{key}_mib", key) if name in row), None)


def _unit(rows: Iterable[Result]) -> str:
    return "MiB" if any("now" in row or "now_mib" in row for row in rows) else "MB"


def _handover(result: Result) -> list[str]:
    rows = []
    for each in result["comparisons"]:
        costs = {row["label"]: row for row in each["rows"]}
        whole, bare = each["ratio"], each["ratio_without_conversion"]
        for label, row in costs.items():
            ratios = ["", ""]
            if label == "ring":
                ratios = [_times(whole), _times(bare)]
            rows.append((each["size"], label, _spread(row["cpu_ms"]), _spread(row["wall_ms"]), *ratios))
    head = ("size", "", "CPU ms for a picture, both sides", "wall ms", "times faster than the queue, CPU (wall)")
    return _table((*head, "without the conversion to RGB"), rows)


_DRAWN: dict[str, Callable[[Result], list[str]]] = {
    "agreement": _agreement,
    "detect": _detect,
    "embed": _embed,
    "pipeline": _pipeline,
    "growth": _growth,
    "floor": _floor,
    "memory": _memory,
    "start": _start,
    "handover": _handover,
}


_WHERE = ("size", "smallest face")


def _matrix(comparisons: Sequence[Result], key: str, *, quartiles: bool = True) -> list[str]:
    """One line for each comparison, one column for each contestant."""
    labels = list(dict.fromkeys(row["label"] for each in comparisons for row in each["rows"]))
    rows = []
    for each in comparisons:
        costs = {row["label"]: row[key] for row in each["rows"]}
        cells = (_spread(costs[label], quartiles=quartiles) if label in costs else "-" for label in labels)
        rows.append((each["size"], each["min_face"], *cells))
    return _table((*_WHERE, *labels), rows)


def _faster(comparisons: Sequence[Result]) -> list[str]:
    """One line for each comparison and contestant of ours, one column for each rival."""
    rivals = list(dict.fromkeys(pair["rival"] for each in comparisons for pair in each["ratios"]))
    rows = []
    for each in comparisons:
        for ours in dict.fromkeys(pair["ours"] for pair in each["ratios"]):
            cells = (_ratio(each, ours, rival) for rival in rivals)
            rows.append((each["size"], each["min_face"], ours, *cells))
    return _table((*_WHERE, "", *(f"than {rival}" for rival in rivals)), rows)


def _ratio(comparison: Result, ours: str, rival: str | None = None) -> str:
    for pair in comparison["ratios"]:
        if pair["ours"] == ours and rival in (None, pair["rival"]):
            return _times(pair)
    return "-"


def _times(pair: Result) -> str:
    """How many times faster: by CPU time, and by wall time in brackets; a dash where noise was more than the cost."""
    medians = (pair[clock] and pair[clock]["median"] for clock in ("cpu", "wall"))
    cpu, wall = (_number(median if (median or 0.0) > 0 else None, 1) for median in medians)
    return f"{cpu} ({wall})"


def _spread(told: Result | None, *, quartiles: bool = True) -> str:
    if told is None or told["median"] is None:
        return "-"
    digits = 1 if told["median"] >= 10 else 2
    middle = f"{told['median']:.{digits}f}"
    return f"{middle} ({told['low']:.{digits}f}-{told['high']:.{digits}f})" if quartiles else middle


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    columns = [str(cell) for cell in head]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
