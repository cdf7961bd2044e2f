"""What the plots of growth are drawn from."""

from typing import Any

from benchmarks.growth import live, series


def cost(median: float) -> dict[str, float]:
    return {"median": median, "low": median - 1, "high": median + 1, "count": 3}


def test_one_line_for_each_contestant() -> None:
    lines = [
        {
            "by": "size",
            "value": "1000x500",
            "rows": [{"label": "a", "cpu_ms": cost(5)}, {"label": "b", "cpu_ms": cost(9)}],
        },
        {"by": "size", "value": "2000x1000", "rows": [{"label": "a", "cpu_ms": cost(20)}]},
        {"by": "cameras", "value": 4, "rows": [{"label": "a", "cpu_ms": cost(7)}]},
    ]
    assert series(lines, "size") == {"a": [(0.5, 5, 4, 6), (2.0, 20, 19, 21)], "b": [(0.5, 9, 8, 10)]}
    assert series(lines, "cameras") == {"a": [(4.0, 7, 6, 8)]}


def test_live_cameras_that_did_not_hold_stand_apart() -> None:
    def result(cameras: int, cpu: float, *, gate: bool = True, held: bool = True) -> dict[str, Any]:
        return {"plan": {"cameras": cameras, "gate": gate}, "daemon_cpu": cpu, "held": held}

    held, failed = live([result(8, 0.4), result(4, 0.2), result(4, 0.9, gate=False), result(16, 2.0, held=False)])
    assert held == {
        "motion gate on": [(4.0, 0.2, 0.2, 0.2), (8.0, 0.4, 0.4, 0.4)],
        "motion gate off": [(4.0, 0.9, 0.9, 0.9)],
    }
    assert failed == {"motion gate on": [(16.0, 2.0, 2.0, 2.0)]}
