import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from camwatch.engine.suppression import Measure, keep

A = [0, 0, 10, 10]
B = [0, 3, 10, 13]  # overlaps A and C by 0.54 of the union each
C = [0, 6, 10, 16]  # overlaps A by 0.25


def kept(
    boxes: list[list[float]],
    scores: list[float],
    threshold: float = 0.5,
    groups: list[int] | None = None,
    measure: Measure = "union",
) -> list[bool]:
    return keep(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(groups or [0] * len(boxes), np.int64),
        threshold,
        measure,
    ).tolist()


def test_the_better_of_two_overlapping_boxes_stays() -> None:
    assert kept([A, B], [0.8, 0.9]) == [False, True]


def test_a_box_goes_even_when_the_better_box_goes_too() -> None:
    # the greedy rule would keep C, because B, which it overlaps, is removed by A
    assert kept([A, B, C], [0.9, 0.8, 0.7]) == [True, False, False]


def test_exactly_the_threshold_is_allowed() -> None:
    half = [0, 0, 10, 5]
    assert kept([A, half], [0.9, 0.8], threshold=0.5) == [True, True]
    assert kept([A, half], [0.9, 0.8], threshold=0.49) == [True, False]


def test_groups_do_not_see_each_other() -> None:
    assert kept([A, A, A], [0.9, 0.8, 0.7], groups=[5, 2, 5]) == [True, True, False]


def test_a_small_box_inside_a_large_one() -> None:
    inside = [4, 4, 6, 6]
    assert kept([A, inside], [0.9, 0.8], measure="union") == [True, True]
    assert kept([A, inside], [0.9, 0.8], measure="smaller") == [True, False]


def test_of_equal_scores_the_first_stays() -> None:
    assert kept([A, A, A], [0.9, 0.9, 0.9]) == [True, False, False]


def test_boxes_that_touch_or_have_no_area_remove_nothing() -> None:
    assert kept([A, [10, 0, 20, 10], [5, 5, 5, 5]], [0.9, 0.8, 0.7]) == [True, True, True]


@pytest.mark.parametrize("count", [0, 1])
def test_few_boxes(count: int) -> None:
    assert kept([A] * count, [0.5] * count) == [True] * count


@st.composite
def crowds(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    count = draw(st.integers(0, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    corner = random.uniform(0, 30, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(1, 20, (count, 2))], 1).astype(np.float32)
    return boxes, random.random(count).astype(np.float32), random.integers(0, 3, count)


@given(crowds(), st.floats(0.1, 0.9), st.sampled_from(["union", "smaller"]))
def test_agrees_with_the_rule_written_box_by_box(
    crowd: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]], threshold: float, measure: Measure
) -> None:
    boxes, scores, groups = crowd

    def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        inner = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0).prod()
        areas = [(box[2:] - box[:2]).prod() for box in (a, b)]
        return float(inner / (min(areas) if measure == "smaller" else sum(areas) - inner))

    expected = [
        not any(
            groups[j] == groups[i] and scores[j] > scores[i] and overlap(boxes[i], boxes[j]) > threshold
            for j in range(len(boxes))
        )
        for i in range(len(boxes))
    ]
    assert keep(boxes, scores, groups, threshold, measure).tolist() == expected


def test_memory_stays_bounded_with_thousands_of_boxes_in_one_place() -> None:
    count = 4000
    boxes = np.tile(np.array(A, np.float32), (count, 1))
    scores = np.random.default_rng(0).random(count).astype(np.float32)
    tracemalloc.start()
    result = keep(boxes, scores, np.zeros(count, np.int64), 0.5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.sum() == 1
    assert result[scores.argmax()]
    assert peak < 64 << 20  # all eight million pairs at once would take ten times as much
