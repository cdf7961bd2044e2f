"""Shares of the floor and tables of the figures of a GPU, from results that are made up."""

from typing import Any

import pytest

from benchmarks.gpu_figures import best_rates, canvas_bytes, share, tables

RATES = [
    {"mode": "tf32", "work": "matrix product", "gflops": 300e3},
    {"mode": "tf32", "work": "3x3", "gflops": 200e3},
    {"mode": "bfloat16", "work": "3x3", "gflops": 500e3},
    {"mode": "copy", "work": "to the device", "gbytes": 5.5},
]


def spread(seconds: float) -> dict[str, float]:
    return {"median": seconds, "low": seconds * 0.9, "high": seconds * 1.2, "count": 5}


def told(**sections: Any) -> dict[str, Any]:
    return {"rates": [], "embed": [], "detect": [], "callers": [], "agree": [], "facenet_gflop": 3.0} | sections


def test_the_floor_is_at_the_best_rate_of_each_kind_of_number() -> None:
    assert best_rates(RATES) == {"tf32": 300e3, "bfloat16": 500e3}


def test_a_share_is_work_over_what_the_time_would_have_allowed() -> None:
    assert share(30.0, 0.001, 300e3) == pytest.approx(0.1)


def test_faces_are_told_with_and_without_the_way_to_the_device() -> None:
    row = {"mode": "tf32", "batch": 100, "first_s": 3.25, "run": spread(0.010), "resident": spread(0.002)}
    lines = tables(told(rates=RATES, embed=[row]))
    assert "| 100 | 10 (9-12) | 10000 | 10 % | 2 (1.8-2.4) | 50000 | 50 % | 3.2 |" in lines
    assert "| to the device | copy | 5.5 GB/s |" in lines


def test_without_rates_there_is_no_share() -> None:
    row = {"mode": "tf32", "batch": 1, "first_s": 1.0, "run": spread(0.001), "resident": spread(0.001)}
    assert "| 1 | 1 (0.9-1.2) | 1000 | - | 1 (0.9-1.2) | 1000 | - | 1.0 |" in tables(told(embed=[row]))


def test_a_frame_is_told_with_what_of_it_the_networks_take() -> None:
    row = {
        "size": "640x360",
        "mode": "tf32",
        "batch": 4,
        "canvas": 1000,
        "first_s": 0.5,
        "run": spread(0.008),
        "networks_s": 0.002,
        "network_ms": {"pnet": 0.3, "rnet": 0.15, "onet": 0.05},
        "gflop": 0.3,
    }
    lines = tables(told(rates=RATES, detect=[row]))
    assert "| 640x360 | tf32 | 4 | 1000 | 2 (1.8-2.4) | 500 | 25 % | 0.30 0.15 0.05 | 0.30 | 0.05 % | 0.5 |" in lines


def test_agreement_tells_errors_and_faces() -> None:
    faces = {"faces": 102, "missed": 1, "extra": 2, "iou_min": None}
    rows = [
        {"what": "chips", "mode": "tf32", "error": 9e-4, "cosine": 0.9999},
        {"what": "walls", "mode": "tf32", "faces": faces},
    ]
    lines = tables(told(agree=rows))
    assert "| chips | tf32 | error 9.0e-04, least cosine 0.99990 |" in lines
    assert "| walls | tf32 | 102 faces, missed 1, extra 2, least overlap - |" in lines


def test_a_canvas_holds_every_level_once() -> None:
    whole = canvas_bytes((640, 360), 40)
    # the first level is 12/40 of the picture each way, and all levels together are about twice as many pixels
    assert 1.9 * 192 * 108 * 3 < whole < 2.4 * 192 * 108 * 3
