"""An evaluation as text, as JSON, and as a folder with a page that opens without a network."""

import html
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from camwatch.errors import InputError, one_line
from camwatch.files import write_whole
from camwatch.identification.evaluation import OpenSet, Share
from camwatch.tools.evaluate.measure import Evaluation, Odd

INTERVAL = "95 % interval"
_VERSION = 1
_STYLE = """
:root { color-scheme: light dark; --ink: #1e2228; --paper: #fafaf8; --line: #c8ccd2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --paper: #16191d; --line: #3a4048; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
"""


def table(found: Evaluation) -> str:
    """The figures as plain text."""
    lines = [f"{found.people} people, {found.pictures} pictures with a face", ""]
    for title, rows in _parts(found):
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines.append(title)
        for first, *rest in rows:
            cells = [first.ljust(widths[0]), *(cell.rjust(wide) for cell, wide in zip(rest, widths[1:], strict=True))]
            lines.append("  " + "  ".join(cells).rstrip())
        lines.append("")
    lines += [f"not measured: {one}" for one in found.missing]
    if found.skipped:
        lines.append(f"skipped, or not as it should be: {len(found.skipped)}, told above")
    return "\n".join(lines).rstrip()


def _parts(found: Evaluation) -> Iterator[tuple[str, list[list[str]]]]:
    """Each table: its title and its rows, the first of them the heads."""
    if found.closed is not None:
        ways = (("the most similar template", found.closed), ("the classifier of train", found.trained))
        rows = [[way, str(part.total), *_of(part)] for way, part in ways if part is not None]
        title = f"closed set: {found.enrolled} pictures are enrolled, the others searched for"
        yield title, [["by", "searched", "right", INTERVAL], *rows]
    if found.confusions:
        rows = [[_safe(one.one), _safe(one.other), f"{one.score:.2f}"] for one in found.confusions]
        yield "taken for another", [["true", "said", "similarity"], *rows]
    if found.verification is not None and found.verification.points:
        rows = [[f"{one.far:g}", f"{one.threshold:.3f}", *_of(one.tar)] for one in found.verification.points]
        heads = ["share of impostor pairs accepted (FAR)", "threshold", "genuine accepted (TAR)", INTERVAL]
        yield "verification: every picture against every other", [heads, *rows]
    if found.open:
        heads = ["people", "photos", "threshold", "found (TPIR)", INTERVAL, "strangers named (FPIR)", INTERVAL]
        heads += ["wrong name", "found at the best threshold"]
        title = f"open set: {found.galleries} random galleries of each size, false_alarm_rate {found.rate:g}"
        yield title, [heads, *map(_open, found.open)]
        sized = max(found.open, key=lambda one: (len(one.by_height), one.people))
        if len(sized.by_height) > 1:
            rows = [[f"from {low:.0f}", str(part.total), *_of(part)] for low, part in sized.by_height]
            enrolled = f"people enrolled: {sized.people}, photos of each: {sized.photos}"
            title = f"found by height of the face in pixels; {enrolled}"
            yield title, [["pixels", "searches", "found", INTERVAL], *rows]
    if found.alike:
        rows = [[_safe(one.one), _safe(one.other), f"{one.score:.2f}"] for one in found.alike]
        yield "most similar people", [["one", "other", "similarity"], *rows]
    if found.odd:
        heads = ["picture", "similarity", "most similar other", "similarity", "more like the other"]
        yield "pictures least like the others of their person", [heads, *map(_odd, found.odd)]


def _odd(one: Odd) -> list[str]:
    suspect = "yes" if one.score > one.own else ""
    return [_safe(one.path), f"{one.own:.2f}", _safe(one.nearest), f"{one.score:.2f}", suspect]


def _open(one: OpenSet) -> list[str]:
    cells = [str(one.people), str(one.photos), f"{one.threshold:.2f}", *_of(one.found), *_of(one.named)]
    return [*cells, _of(one.wrong)[0], f"{100 * one.best:.1f} %"]


def _of(part: Share) -> list[str]:
    if not part.total:
        return ["-", "-"]
    between = "-" if math.isnan(part.low) else f"{100 * part.low:.2f} to {100 * part.high:.2f}"
    return [f"{100 * part.value:.2f} %", between]


def _safe(text: str) -> str:
    return one_line(text)


def document(found: Evaluation) -> dict[str, object]:
    """All of it for JSON; what is no number is null."""
    verified = found.verification
    return {
        "version": _VERSION,
        "people": found.people,
        "pictures": found.pictures,
        "network": found.network,
        "false_alarm_rate": found.rate,
        "seed": found.seed,
        "galleries": found.galleries,
        "closed_set": None
        if found.closed is None
        else {
            "enrolled": found.enrolled,
            "right": _share(found.closed),
            "right_by_classifier": None if found.trained is None else _share(found.trained),
            "confusions": [[one.one, one.other, round(one.score, 4)] for one in found.confusions],
        },
        "verification": None
        if verified is None
        else {
            "genuine_pairs": int(verified.genuine.sum()),
            "impostor_pairs": int(verified.impostor.sum()),
            "points": [
                {"far": one.far, "threshold": round(one.threshold, 4), "tar": _share(one.tar)}
                for one in verified.points
            ],
        },
        "open_set": [
            {
                "people": one.people,
                "photos": one.photos,
                "threshold": round(one.threshold, 4),
                "tpir": _share(one.found),
                "fpir": _share(one.named),
                "wrong_name": _share(one.wrong),
                "tpir_at_best_threshold": round(one.best, 4),
                "by_height": [{"from": low, "tpir": _share(part)} for low, part in one.by_height],
                "curve": [[round(value, 4) for value in row] for row in one.curve.tolist()],
            }
            for one in found.open
        ],
        "alike": [[one.one, one.other, round(one.score, 4)] for one in found.alike],
        "odd": [
            {
                "path": one.path,
                "person": one.person,
                "similarity": round(one.own, 4),
                "nearest_other": one.nearest,
                "nearest_other_similarity": round(one.score, 4),
            }
            for one in found.odd
        ],
        "missing": list(found.missing),
        "skipped": list(found.skipped),
    }


def _share(part: Share) -> dict[str, object]:
    values = (None if math.isnan(one) else round(one, 5) for one in (part.value, part.low, part.high))
    return {**dict(zip(("value", "low", "high"), values, strict=True)), "count": part.count, "total": part.total}


def write_report(folder: Path, found: Evaluation) -> None:
    """Write evaluation.json, the plots and index.html, each whole, for their owner alone.

    Args:
        folder: An existing one.
        found: What to tell.

    Raises:
        InputError: A file cannot be written.
    """
    from camwatch.tools.evaluate.plots import PLOTS, plots  # what draws takes a second to import

    drawn = plots(found)
    for old in (folder / name for name in PLOTS if name not in drawn):  # of another dataset
        old.unlink(missing_ok=True)
    figures = json.dumps(document(found), ensure_ascii=False, indent=1)
    # names of files may be no UTF-8; so escaped they are what JSON has for them, too
    files = {"evaluation.json": figures.encode("utf-8", "backslashreplace"), **drawn}
    files["index.html"] = page(found, list(drawn)).encode("utf-8", "backslashreplace")
    for name, content in files.items():
        try:
            write_whole(folder / name, content)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be written: {error.strerror}") from error


def page(found: Evaluation, pictures: Sequence[str]) -> str:
    """The page: it loads nothing but the pictures beside it, and runs nothing.

    Args:
        found: What to tell.
        pictures: File names of the plots.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self' file: data:;"
        " style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>camwatch: evaluation</title><style>{_STYLE}</style></head><body>",
        f"<h1>Evaluation</h1><p>{found.people} people, {found.pictures} pictures with a face; network"
        f" {html.escape(_safe(found.network))}. Intervals are of 95 %, by resampling people.</p>",
    ]
    shown = ((html.escape(name), html.escape(name.removesuffix(".png"))) for name in pictures)
    parts += [f'<p><img src="{name}" alt="{words}"></p>' for name, words in shown]
    for title, (heads, *rows) in _parts(found):
        parts.append(f"<h2>{html.escape(title)}</h2><table><tr>{_row('th', heads)}</tr>")
        parts += [f"<tr>{_row('td', row)}</tr>" for row in rows]
        parts.append("</table>")
    for title, lines in (("Not measured", found.missing), ("Skipped, or not as it should be", found.skipped)):
        if lines:
            parts.append(f"<h2>{title}</h2><ul>")
            parts += [f"<li>{html.escape(_safe(one))}</li>" for one in lines]
            parts.append("</ul>")
    return "\n".join([*parts, "</body></html>", ""])


def _row(tag: str, cells: Sequence[str]) -> str:
    return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
