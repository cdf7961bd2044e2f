"""Draws what `benchmarks.accuracy` measured; needs matplotlib."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from camwatch.files import write_whole

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
_KINDS = {"still": "one still", "visit": "10 poor frames of one still"}


def draw_all(told: Mapping[str, Any], folder: Path = PICTURES) -> None:
    """`accuracy_rules.png` and `accuracy_asked.png`."""
    _save(_rules(told), folder / "accuracy_rules.png")
    _save(_asked(told), folder / "accuracy_asked.png")


def _rules(told: Mapping[str, Any]) -> Figure:
    """Found by size of the gallery, rule by rule; a column for each number of photos, a row for each kind of probe."""
    photos = sorted({row["photos"] for row in told["found"]})
    figure = Figure(figsize=(4 * len(photos), 7), layout="constrained")
    axes = figure.subplots(len(_KINDS), len(photos), sharex=True, sharey=True, squeeze=False)
    for line, (kind, label) in zip(axes, _KINDS.items(), strict=True):
        for each, number in zip(line, photos, strict=True):
            rows = [row for row in told["found"] if row["kind"] == kind and row["photos"] == number]
            for rule in dict.fromkeys(row["rule"] for row in rows if "published" not in row["rule"]):
                points = [(row["people"], 100 * row["found"][0]) for row in rows if row["rule"] == rule]
                width = 2.5 if rule == "camwatch" else 1.0
                each.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=width, label=rule)
            each.set(xscale="log", title=f"{label}, {number} photo{'s' * (number > 1)}", ylim=(60, 101))
            each.grid(alpha=0.3)
        line[0].set_ylabel("% found where 1 % of strangers are named")
    for each in axes[-1]:
        each.set(xlabel="people enrolled", xticks=[1, 3, 10, 30, 100], xticklabels=["1", "3", "10", "30", "100"])
        each.minorticks_off()
    axes[0][0].legend(fontsize="small")
    return figure


def _asked(told: Mapping[str, Any]) -> Figure:
    """The share of strangers named over the galleries of each size, beside what was asked for."""
    rates, photos = (sorted({row[key] for row in told["asked"]}) for key in ("rate", "photos"))
    figure = Figure(figsize=(5 * len(rates) + 2, 4), layout="constrained")
    for each, rate in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates, strict=True):
        for kind, style in (("still", "-"), ("visit", "--"), ("mixed", ":")):
            for number, colour in zip(photos, ("C0", "C1", "C2"), strict=False):
                chosen = [r for r in told["asked"] if (r["rate"], r["kind"], r["photos"]) == (rate, kind, number)]
                points = [(row["people"], 100 * row["named"]) for row in chosen]
                label = f"{kind}, {number} photo{'s' * (number > 1)}"
                each.plot(*zip(*points, strict=True), style, color=colour, marker="o", markersize=3, label=label)
        each.axhline(100 * rate, color="black", linewidth=1)
        each.set(xscale="log", ylim=(0, 130 * rate), xlabel="people enrolled", ylabel="% of strangers named")
        each.set(title=f"{100 * rate:g} % asked for", xticks=[1, 3, 10, 30, 100])
        each.set(xticklabels=["1", "3", "10", "30", "100"])
        each.minorticks_off()
        each.grid(alpha=0.3)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", fontsize="small")
    return figure


def _save(figure: Figure, path: Path) -> None:
    data = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "camwatch"}):
        figure.savefig(data, format="png", dpi=100, metadata={"Software": None})
    write_whole(path, data.getvalue(), mode=0o644)
