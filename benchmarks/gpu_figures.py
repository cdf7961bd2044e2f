"""What the measurements of `benchmarks.gpu` say: shares of the floor, and tables. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from camwatch.engine.pyramid import plan
from camwatch.tools.bench.flops import crop_flops, pnet_flops

Row = Mapping[str, Any]
MODES = ("float32", "tf32", "bfloat16")
"""float32 as it is; float32 with its factors rounded to 10 bits, which GPUs multiply faster; bfloat16."""


def best_rates(rates: Sequence[Row]) -> dict[str, float]:
    """By mode, the most GFLOP a second that any of the works reached: what the floor is at."""
    best: dict[str, float] = {}
    for row in rates:
        if row["mode"] in MODES:
            best[row["mode"]] = max(best.get(row["mode"], 0.0), row["gflops"])
    return best


def share(gflop: float, seconds: float, rate: float) -> float:
    """How much of a rate in GFLOP a second is reached by so much work in so many seconds: 0 to 1."""
    return gflop / seconds / rate


def detection_gflop(size: tuple[int, int], min_face: int, crops: Mapping[str, float]) -> float:
    """GFLOP of one frame: P-Net on its levels, R-Net and O-Net on the crops that it had.

    Args:
        size: Width and height of the frame.
        min_face: Side of the smallest face, pixels.
        crops: How many for `rnet` and `onet`, for a frame.
    """
    rnet, onet = crop_flops()
    return (pnet_flops(*size, min_face) + rnet * crops["rnet"] + onet * crops["onet"]) / 1e9


def canvas_bytes(size: tuple[int, int], min_face: int) -> int:
    """Bytes of one frame's pyramid, which is what goes to P-Net."""
    layout = plan(*size, min_face)
    return layout.width * layout.height * 3


def tables(told: Mapping[str, Any]) -> list[str]:
    """All measurements as Markdown."""
    best = best_rates(told["rates"])
    parts = [
        _rates(told["rates"]),
        *_embedding(told["embed"], best, told["facenet_gflop"]),
        _detection(told["detect"], best),
        _callers(told["callers"]),
        _agreement(told["agree"]),
    ]
    return [line for part in parts if part for line in (*part, "")]


def _rates(rows: Sequence[Row]) -> list[str]:
    lines = [(row["work"], row["mode"], _rate(row)) for row in rows]
    return _table(("work", "", "sustained"), lines) if lines else []


def _rate(row: Row) -> str:
    return f"{row['gflops'] / 1e3:.3g} TFLOP/s" if "gflops" in row else f"{row['gbytes']:.3g} GB/s"


def _embedding(rows: Sequence[Row], best: Mapping[str, float], gflop: float) -> Iterator[list[str]]:
    for mode in MODES:
        lines = []
        for row in (row for row in rows if row["mode"] == mode):
            run, resident = row["run"]["median"], row["resident"]["median"]
            lines.append(
                (
                    str(row["batch"]),
                    _spread(row["run"]),
                    f"{row['batch'] / run:.0f}",
                    _of_floor(gflop * row["batch"], run, best.get(mode)),
                    _spread(row["resident"]),
                    f"{row['batch'] / resident:.0f}",
                    _of_floor(gflop * row["batch"], resident, best.get(mode)),
                    f"{row['first_s']:.1f}",
                )
            )
        if lines:
            head = f"{mode}: faces", "ms", "faces/s", "of the floor", "on the device, ms", "faces/s", "of the floor"
            yield [*_table((*head, "first call, s"), lines), ""]


def _detection(rows: Sequence[Row], best: Mapping[str, float]) -> list[str]:
    lines = []
    for row in rows:
        per_frame = row["run"]["median"] / row["batch"]
        lines.append(
            (
                row["size"],
                row["mode"],
                str(row["batch"]),
                f"{row['canvas']:g}",
                _spread(row["run"], 1 / row["batch"]),
                f"{1 / per_frame:.0f}",
                _percent(row["networks_s"] / row["run"]["median"]),
                " ".join(f"{row['network_ms'][name]:.2f}" for name in ("pnet", "rnet", "onet")),
                f"{row['gflop']:.2f}",
                _of_floor(row["gflop"], per_frame, best.get(row["mode"])),
                f"{row['first_s']:.1f}",
            )
        )
    head = "size", "", "batch", "canvas pixels a call", "ms a frame", "frames/s", "of it in the networks"
    return _table((*head, "P, R, O ms", "GFLOP", "of the floor", "first call, s"), lines) if lines else []


def _callers(rows: Sequence[Row]) -> list[str]:
    lines = [
        (row["size"], row["mode"], str(row["callers"]), str(row["batch"]), f"{row['frames_per_s']:.0f}") for row in rows
    ]
    return _table(("size", "", "threads that call", "batch", "frames/s"), lines) if lines else []


def _agreement(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        if "faces" in row:
            overlap = row["faces"]["iou_min"]
            values = (
                f"{row['faces']['faces']} faces, missed {row['faces']['missed']}, extra {row['faces']['extra']}, "
                f"least overlap {'-' if overlap is None else f'{overlap:.3f}'}"
            )
        else:
            values = f"error {row['error']:.1e}" + (f", least cosine {row['cosine']:.5f}" if "cosine" in row else "")
        lines.append((row["what"], row["mode"], values))
    return _table(("", "", "against the CPU in float32"), lines) if lines else []


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    rows = (head, ["---"] * len(head), *lines)
    return [f"| {' | '.join(row)} |" for row in rows]


def _spread(seconds: Mapping[str, float], times: float = 1.0) -> str:
    median, low, high = (seconds[key] * times * 1e3 for key in ("median", "low", "high"))
    return f"{median:.3g} ({low:.3g}-{high:.3g})"


def _of_floor(gflop: float, seconds: float, rate: float | None) -> str:
    """A share as it stands in tables; a stroke where the rates were not measured."""
    if rate is None:
        return "-"
    part = share(gflop, seconds, rate)
    return _percent(part, 2 if part < 0.01 else 0)


def _percent(part: float, digits: int = 0) -> str:
    return f"{part * 100:.{digits}f} %"
