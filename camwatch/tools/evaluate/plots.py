"""The plots of an evaluation, as PNG files."""

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from camwatch.tools.evaluate.measure import Evaluation

mpl.use("Agg")  # no display, here or ever
_SIZE = (7.0, 4.5)
PLOTS = _SIMILARITIES, _ROC, _OPEN_SET = "similarities.png", "roc.png", "open_set.png"
"""All that are drawn where the figures allow it."""


def plots(found: Evaluation) -> dict[str, bytes]:
    """The plots that the figures allow, by file name."""
    drawn = {}
    if found.verification is not None and found.verification.impostor.any() and found.verification.genuine.any():
        drawn[_SIMILARITIES] = _similarities(found)
        drawn[_ROC] = _roc(found)
    if found.open:
        drawn[_OPEN_SET] = _open_set(found)
    return drawn


def _similarities(found: Evaluation) -> bytes:
    figure, axes = _figure("similarity of two pictures", "share of pairs")
    verified = found.verification
    assert verified is not None
    step = 40
    edges = verified.edges[::step]
    for counts, label in ((verified.impostor, "different people"), (verified.genuine, "the same person")):
        shares = counts.reshape(-1, step).sum(axis=1) / counts.sum()
        axes.stairs(shares, edges, fill=True, alpha=0.5, label=label)
    axes.set_xlim(-0.5, 1.0)
    axes.legend()
    return _png(figure)


def _roc(found: Evaluation) -> bytes:
    figure, axes = _figure("different people accepted (FAR)", "same person accepted (TAR)")
    verified = found.verification
    assert verified is not None
    far, tar = (np.cumsum(counts[::-1]) / counts.sum() for counts in (verified.impostor, verified.genuine))
    seen = far > 0
    axes.semilogx(far[seen], tar[seen])
    for point in verified.points:
        below, above = max(point.tar.value - point.tar.low, 0), max(point.tar.high - point.tar.value, 0)
        axes.errorbar(point.far, point.tar.value, [[below], [above]], fmt="o", capsize=3, color="C1")
    axes.grid(alpha=0.3)
    return _png(figure)


def _open_set(found: Evaluation) -> bytes:
    figure, axes = _figure("strangers named (FPIR)", "enrolled people found (TPIR)")
    photos = max(one.photos for one in found.open)
    for one in found.open:
        if one.photos != photos:
            continue
        _, named, right = one.curve.T
        seen = named > 0
        (line,) = axes.semilogx(
            named[seen], right[seen], label="1 person" if one.people == 1 else f"{one.people} people"
        )
        none = one.named.value == 0  # which has no logarithm: an arrow at the left end
        at = float(named[seen].min(initial=1.0)) if none else one.named.value
        axes.plot(
            at, one.found.value, "<" if none else "o", color=line.get_color(), fillstyle="none" if none else "full"
        )
    axes.axvline(found.rate, color="grey", linestyle=":", label="asked for")
    axes.set_title(f"{photos} photos each; points: camwatch's own threshold; arrows: it named nobody", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend()
    return _png(figure)


def _figure(across: str, up: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()
