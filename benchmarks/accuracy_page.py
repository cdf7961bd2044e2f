"""Puts the figures of `benchmarks.accuracy` into docs/accuracy.md.

A table of the page stands between `<!-- accuracy NAME -->` and `<!-- end -->`; what is between is replaced.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
_BLOCK = re.compile(r"(<!-- accuracy (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Told = Mapping[str, Any]
OURS = "camwatch"
_KINDS = ("still", "visit", "mixed")
_NOT_A_RULE = "Frigate as published"  # at its own threshold only


def rendered(page: str, told: Told) -> str:
    """The page with these figures."""

    def block(match: re.Match[str]) -> str:
        return match[1] + "\n" + "\n".join(_TABLES[match[2]](told)) + "\n\n" + match[3]

    return _BLOCK.sub(block, page)


def behind(told: Told, rate: int) -> list[tuple[Told, Told]]:
    """Where another rule found more than camwatch: its row, then ours; `rate` counts the rates from the loosest.

    What was measured on fewer galleries is compared with camwatch on the same ones.
    """
    ours = {_cell(row): row for row in told["found"] if row["rule"] == OURS}
    others = [row for row in told["found"] if row["rule"] not in (OURS, _NOT_A_RULE) and _cell(row) in ours]
    pairs = ((row, ours[_cell(row)] | ({"found": row["ours"]} if "ours" in row else {})) for row in others)
    return [(row, own) for row, own in pairs if row["found"][rate] > own["found"][rate] + 5e-4]


def _cell(row: Told) -> tuple[Any, ...]:
    return row["photos"], row["people"], row["kind"]


def _about(told: Told) -> Iterable[str]:
    kit, engine, machine = told["kit"], told["engine"], told["machine"]
    minutes, date = round(told["seconds"] / 60), told["measured_at"][:10]
    yield f"Measured {date} with camwatch {told['camwatch']} in {minutes} minutes on {machine['cores']} cores"
    yield f"({machine['processor']}); networks by {engine['runtime']}, in float32 but where it says otherwise."
    yield f"{told['galleries']} random galleries of each size, of {kit['people']} people with {kit['fewest_stills']} to"
    yield f"{kit['most_stills']} stills and {kit['strangers']} with one."
    if kit["lost"]:
        yield f"{kit['lost']} more stills were left out: no face was found in them, or in too few of their poor frames."


def _scored(told: Told) -> Iterable[str]:
    columns = {precision: _scored_rows(scored) for precision, scored in told["scored"].items()}
    labels = [label for label, _ in next(iter(columns.values()))]
    rows = [(label, *(rows[at][1] for rows in columns.values())) for at, label in enumerate(labels)]
    return _table(("", *columns), rows)


def _scored_rows(scored: Told) -> list[tuple[str, str]]:
    rows = []
    for name, label in (("lfw", "stills"), ("cctv 40px", "faces of 40 pixels, noise, JPEG")):
        part = scored[name]
        rows.append((f"{label}: enrolled people found", f"{_percent(part['TPIR'])} % of {part['probes']}"))
        rows.append((f"{label}: given another's name", f"{_percent(part['misidentified'])} %"))
        rows.append((f"{label}: strangers named", f"{_percent(part['FPIR'])} % of {part['strangers']}"))
    photos, videos, waits = scored["photos"], scored["videos"], scored["waits"]
    return [
        *rows,
        ("group photos: faces found", f"{round(photos['detected'] * photos['faces'])} of {photos['faces']}"),
        ("group photos: named rightly", f"{photos['named_right']} of {photos['known_faces']}"),
        ("group photos: named wrongly, strangers named", f"{photos['named_wrong']}, {photos['unknown_named']}"),
        ("clips: visits of enrolled people named", f"{videos['recognised']} of {videos['known_visits']}"),
        ("clips: false names, repeated events", f"{videos['false_names']}, {videos['repeated_events']}"),
        (
            f"clips: from the first usable face to the name, {waits['names']} names",
            f"p50 {waits['p50']:.1f} s, p95 {waits['p95']:.1f} s",
        ),
    ]


def _found(kind: str) -> Callable[[Told], Iterable[str]]:
    def table(told: Told) -> Iterable[str]:
        rows = [row for row in told["found"] if row["kind"] == kind and row["rule"] != _NOT_A_RULE]
        rules = list(dict.fromkeys(row["rule"] for row in rows))
        lines = []
        for photos, people in dict.fromkeys((row["photos"], row["people"]) for row in rows):
            cells = {row["rule"]: row["found"] for row in rows if (row["photos"], row["people"]) == (photos, people)}
            best = max(found[0] for found in cells.values())
            lines.append((photos, people, *(_pair(cells.get(rule), best) for rule in rules)))
        return _table(("photos", "people", *rules), lines)

    return table


def _intervals(told: Told) -> Iterable[str]:
    lines = []
    rows = {_cell(row): row for row in told["found"] if row["rule"] == OURS}
    kinds = list(dict.fromkeys(kind for *_, kind in rows))
    for photos, people in dict.fromkeys(cell[:2] for cell in rows):
        each = [rows[photos, people, kind] for kind in kinds]
        shown = [f"{_percent(row['found'][0])} ({_span(row['interval'][0])})" for row in each]
        lines.append((photos, people, *shown))
    return _table(("photos", "people", *kinds), lines)


def _published(told: Told) -> Iterable[str]:
    theirs = {(row["rule"], *_cell(row)): row["published"] for row in told["found"] if "published" in row}
    lines = []
    for kind in ("still", "visit"):
        for row in (one for one in told["asked"] if (one["kind"], one["rate"]) == (kind, 0.01)):
            others = [theirs[rule, *_cell(row)] for rule in (_NOT_A_RULE, "CompreFace")]
            shown = [f"{_percent(found)} / {_percent(named)}" for found, named in others]
            mine = f"{_percent(row['found'])} / {_percent(row['named'])}"
            lines.append((kind, row["photos"], row["people"], mine, *shown))
    return _table(("searched with", "photos", "people", "camwatch, 1 % asked", "Frigate", "CompreFace"), lines)


def _by_size(told: Told, cell: Callable[[Told], str]) -> Iterable[str]:
    """A line for each rate, kind and number of photos, a column for each size of the gallery."""
    people = sorted({row["people"] for row in told["asked"]})
    lines: dict[tuple[Any, ...], list[str]] = {}
    for row in sorted(told["asked"], key=lambda one: (-one["rate"], _KINDS.index(one["kind"]), one["photos"])):
        lines.setdefault((f"{100 * row['rate']:g} %", row["kind"], row["photos"]), []).append(cell(row))
    heads = [f"{size} {'person' if size == 1 else 'people'}" for size in people]
    return _table(("asked", "searched with", "photos", *heads), [(*about, *cells) for about, cells in lines.items()])


def _asked(told: Told) -> Iterable[str]:
    def cell(row: Told) -> str:
        return f"{_percent(row['named'])} ({_percent(row['counted'])}, {_percent(row['true'])})"

    return _by_size(told, cell)


def _lost(told: Told) -> Iterable[str]:
    best = {_cell(row): row["best"] for row in told["found"] if row["rule"] == OURS}
    rates = sorted({row["rate"] for row in told["asked"]}, reverse=True)

    def cell(row: Told) -> str:
        return f"{_percent(row['found'])} of {_percent(best[_cell(row)][rates.index(row['rate'])])}"

    return _by_size(told, cell)


def _pairs(told: Told) -> Iterable[str]:
    lines = []
    for row in zip(*(told["pairs"][rate] for rate in ("0.01", "0.05")), strict=True):
        one = row[0]
        stills = " and ".join(map(str, one["stills"]))
        both = [f"{each['both'][1]}, {each['both'][2]}" for each in row]
        alone = [f"{each['one'][1]} of {each['one'][0]}" for each in row]
        told_of = "yes" if one["told"] else "no"
        lines.append((f"{one['alike']:.2f}", stills, told_of, one["both"][0], *both, *alone))
    heads = "alike", "stills", "told as look-alikes", "searched, both enrolled", "right, wrong at 1 %", "at 5 %"
    return _table((*heads, "only the other enrolled: wrong at 1 %", "at 5 %"), lines)


def _groups(told: Told) -> Iterable[str]:
    lines = []
    for row in told["groups"]:
        band = f"{row['by']} {row['low']:g}" + (" and more" if row["high"] is None else f" to {row['high']:g}")
        lines.append((band, row["probes"], *(_percent(row[name]) for name in ("found", "misnamed", "named"))))
    return _table(("faces with", "probes", "found, %", "misnamed, %", "strangers named, %"), lines)


def _behind(told: Told) -> Iterable[str]:
    lines = []
    for theirs, ours in behind(told, 0):
        shares = _percent(theirs["found"][0]), f"{_percent(ours['found'][0])} ({_span(ours['interval'][0])})"
        lines.append((*_cell(theirs), theirs["rule"], *shares))
    yield from _table(("photos", "people", "searched with", "rule", "it found, %", "camwatch, %"), lines)
    for number, rate in enumerate(("1 %", "0.1 %")):
        found = behind(told, number)
        cells = len({_cell(row) for row in told["found"] if row["rule"] not in (OURS, _NOT_A_RULE)})
        gains: dict[str, list[float]] = {}
        for theirs, ours in found:
            gains.setdefault(theirs["rule"], []).append(theirs["found"][number] - ours["found"][number])
        said = (f"{rule} in {len(gain)} (at most {100 * max(gain):.1f} points)" for rule, gain in gains.items())
        yield ""
        yield f"Where {rate} of strangers are named, others found more in some of {cells} settings:"
        yield f"{', '.join(said) or 'nobody did'}."


def _limits(told: Told) -> Iterable[str]:
    people = sorted({row["people"] for row in told["found"]})
    rows = [row for row in told["found"] if (row["kind"], row["photos"]) == ("still", 3) and row["rule"] != _NOT_A_RULE]
    lines = []
    for rule in dict.fromkeys(row["rule"] for row in rows):
        limits = {row["people"]: row["limit"][0] for row in rows if row["rule"] == rule}
        lines.append((rule, *(f"{limits[size]:.2f}" if size in limits else "-" for size in people)))
    return _table(("rule", *(f"{size} people" for size in people)), lines)


def _pair(found: Sequence[float] | None, best: float) -> str:
    if found is None:
        return "-"
    text = f"{_percent(found[0])} ({_percent(found[1])})"
    return f"**{text}**" if found[0] >= best - 5e-4 else text


def _span(low_high: Sequence[float]) -> str:
    return " to ".join(map(_percent, low_high))


def _percent(share: float) -> str:
    text = f"{100 * share:.1f}"
    return f"{100 * share:.2f}" if 0 < share < 0.0095 else text.removesuffix(".0") if share in (0, 1) else text


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return lines + [f"| {' | '.join(map(str, row))} |" for row in rows]


_TABLES: dict[str, Callable[[Told], Iterable[str]]] = {
    "about": _about,
    "scored": _scored,
    "still": _found("still"),
    "visit": _found("visit"),
    "mixed": _found("mixed"),
    "intervals": _intervals,
    "published": _published,
    "asked": _asked,
    "lost": _lost,
    "limits": _limits,
    "pairs": _pairs,
    "groups": _groups,
    "behind": _behind,
}
