"""What the live benchmark makes of a daemon's metrics, and how it searches."""

import pytest

from benchmarks.cameras_figures import (
    ProcessSample,
    by_label,
    growth,
    holds,
    load,
    mean,
    next_try,
    parse,
    percentile,
    quantile,
    total,
    verdict,
)

TEXT = """# HELP camwatch_frames_total Captured frames by what became of them.
camwatch_frames_total{camera="a",outcome="idle"} 8.0
camwatch_frames_total{camera="a",outcome="analyzed"} 2.0
camwatch_frames_total{camera="b",outcome="analyzed"} 5.0
camwatch_gallery_people 1.0
python_info{version="3"} 1.0
camwatch_stage_seconds_bucket{le="0.1",stage="queue"} 2.0
camwatch_stage_seconds_bucket{le="0.5",stage="queue"} 10.0
camwatch_stage_seconds_bucket{le="+Inf",stage="queue"} 10.0
camwatch_stage_seconds_bucket{le="+Inf",stage="embed"} 0.0
"""


def test_samples_are_summed_by_the_labels_asked_for():
    samples = parse(TEXT)
    assert total(samples, "camwatch_frames_total") == 15
    assert total(samples, "camwatch_frames_total", camera="a") == 10
    assert total(samples, "camwatch_gallery_people") == 1
    assert by_label(samples, "camwatch_frames_total", "camera", outcome="analyzed") == {"a": 2, "b": 5}
    assert not [name for name, _ in samples if not name.startswith("camwatch_")]


def test_growth_counts_what_is_new_from_zero():
    before = parse('camwatch_frames_total{camera="a",outcome="idle"} 3')
    assert total(growth(before, parse(TEXT)), "camwatch_frames_total", camera="a") == 7


def test_a_quantile_lies_within_its_bucket():
    samples = parse(TEXT)
    assert quantile(samples, "camwatch_stage_seconds", 0.1, stage="queue") == pytest.approx(0.05)
    assert quantile(samples, "camwatch_stage_seconds", 0.6, stage="queue") == pytest.approx(0.3)
    assert quantile(samples, "camwatch_stage_seconds", 0.5, stage="embed") is None
    above = parse('camwatch_x_bucket{le="1"} 1\ncamwatch_x_bucket{le="+Inf"} 9')
    assert quantile(above, "camwatch_x", 0.95) == 1


def test_percentiles_are_values_that_were_there():
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile(range(1, 21), 0.95) == 19
    assert percentile([], 0.5) is None


def test_a_load_is_what_was_taken_between_two_samples():
    took = load(ProcessSample(1.0, 0, 0, 3, 100), ProcessSample(2.0, 90_000_000, 40_000_000, 4, 300), 10)
    assert (took.cpu, took.rss_mb, took.pss_mb, took.threads, took.switches) == (0.1, 90, 40, 4, 20)
    assert mean([took, took]) == took
    assert mean([]).cpu == 0


@pytest.mark.parametrize(
    ("change", "p95", "arrived", "words"),
    [
        ({}, 0.8, 10, []),
        ({}, 0.8, 9, []),
        ({"dropped_stale": 1}, 0.8, 10, ["late"]),
        ({"dropped_busy": 20}, 0.8, 10, ["busy"]),
        ({"dropped_busy": 5}, 0.8, 10, []),
        ({}, 1.0, 10, ["p95"]),
        ({}, None, 0, ["no visit", "0 of 10"]),
        ({}, 0.8, 8, ["8 of 10"]),
    ],
)
def test_what_does_not_hold_is_told(change, p95, arrived, words):
    frames = {"analyzed": 990.0, "idle": 0.0, "dropped_busy": 0.0, "dropped_stale": 0.0, "decode_error": 0.0} | change
    reasons = told(frames, p95=p95, arrived=arrived)
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


FRAMES = {"analyzed": 1000.0, "idle": 0.0, "dropped_busy": 0.0, "dropped_stale": 0.0, "decode_error": 0.0}


def told(frames=FRAMES, *, p95=0.8, arrived=10, **change):
    well = {"captured": sum(frames.values()), "due": 1000.0, "restarts": {"reader": 0.0}, "wrong": {}}
    return holds(frames, p95, expected=10, arrived=arrived, **(well | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"restarts": {"reader": 1.0, "inference": 0.0}}, ["reader restarted"]),
        ({"restarts": {"inference": 2.0}}, ["inference restarted"]),
        ({"captured": 970.0}, []),
        ({"captured": 969.0}, ["96.9% of the frames sent were captured"]),
        ({"captured": 0.0}, ["0.0% of the frames"]),
        ({"wrong": {"Kim": 1}}, ["Kim named 1 times, who was not there"]),
    ],
)
def test_restarts_lost_frames_and_wrong_names_do_not_hold(change, words):
    reasons = told(**change)
    assert len(reasons) == len(words)
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))


def test_a_search_tells_the_number_of_each_setting_of_the_gate():
    tried = [(True, 8, True), (True, 16, False), (True, 12, True), (False, 4, False), (False, 2, False)]
    assert verdict(tried) == ["gate on: holds 12 cameras", "gate off: holds 0 cameras"]
    assert verdict(tried[:1]) == ["gate on: holds 8 cameras"]


@pytest.mark.parametrize("true", [0, 1, 3, 17, 40, 64])
@pytest.mark.parametrize("start", [1, 8, 64])
def test_the_search_ends_close_to_the_largest_that_holds(true, start):
    tried: dict[int, bool] = {}
    while (number := next_try(tried, 64, start=start)) is not None:
        assert number not in tried
        tried[number] = number <= true
        assert len(tried) <= 12
    found = max((number for number, held in tried.items() if held), default=0)
    assert found <= true <= found + max(1, found // 16)
