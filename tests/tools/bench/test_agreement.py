"""Pairs of faces, missed and extra ones."""

import pytest

from camwatch.tools.bench.agreement import Found, compare, together


def face(x: float, confidence: float = 0.99, *, y: float = 0.0, side: float = 10.0) -> Found:
    return x, y, x + side, y + side, confidence


def test_the_same_faces_in_another_order() -> None:
    reference = [[face(0), face(50)], [], [face(20)]]
    found = compare(reference, [[face(50), face(0)], [], [face(20)]])
    assert (found.faces, found.missed, found.found, found.extra) == (3, 0, 3, 0)
    assert found.overlaps == (1.0, 1.0, 1.0)


def test_missed_and_extra() -> None:
    found = compare([[face(0), face(50)]], [[face(0), face(100)]])
    assert (found.faces, found.missed, found.found, found.extra) == (2, 1, 2, 1)


def test_what_the_other_is_less_sure_of_is_neither_missed_nor_extra() -> None:
    found = compare([[face(0, 0.95), face(50, 0.85)]], [[face(0, 0.85), face(50, 0.95)]])
    assert (found.faces, found.missed, found.found, found.extra) == (1, 0, 1, 0)


def test_unsure_faces_alone_are_no_difference() -> None:
    found = compare([[face(0, 0.85)], []], [[], [face(0, 0.85)]])
    assert (found.faces, found.missed, found.found, found.extra) == (0, 0, 0, 0)
    assert found.quantile(0.5) is None


def test_a_face_pairs_once_with_the_best_overlap() -> None:
    found = compare([[face(0)]], [[face(2), face(1)]])
    assert (found.missed, found.extra) == (0, 1)
    assert found.overlaps == (pytest.approx(9 / 11),)


@pytest.mark.parametrize(("shift", "missed"), [(3.0, 0), (4.0, 1)])  # overlap of 7/13 and 6/14
def test_half_an_overlap_is_a_pair(shift: float, missed: int) -> None:
    assert compare([[face(0)]], [[face(shift)]]).missed == missed


def test_faces_of_different_pictures_do_not_pair() -> None:
    found = compare([[face(0)], []], [[], [face(0)]])
    assert (found.missed, found.extra) == (1, 1)


def test_pictures_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="argument"):
        compare([[], []], [[]])


def test_together() -> None:
    parts = [compare([[face(0)]], [[face(1)]]), compare([[face(0), face(50)]], [[face(0)]])]
    whole = together(parts)
    assert (whole.faces, whole.missed, whole.found, whole.extra) == (3, 1, 2, 0)
    assert whole.told()["iou_min"] == pytest.approx(9 / 11)
    assert whole.told()["iou_median"] == pytest.approx((1 + 9 / 11) / 2)
