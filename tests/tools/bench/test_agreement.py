"""Pairs of faces, missed and extra ones."""

import pytest

from camwatch.tools.bench.agreement import Agreement, Found, Origin, compare, different, together


def face(x: float, confidence: float = 0.99, *, y: float = 0.0, side: float = 10.0) -> Found:
    return x, y, x + side, y + side, confidence


def counts(found: Agreement) -> tuple[int, int, int, int]:
    return found.faces, len(found.missed), found.found, len(found.extra)


def test_the_same_faces_in_another_order() -> None:
    reference = [[face(0), face(50)], [], [face(20)]]
    found = compare(reference, [[face(50), face(0)], [], [face(20)]])
    assert counts(found) == (3, 0, 3, 0)
    assert found.overlaps == (1.0, 1.0, 1.0)


def test_missed_and_extra() -> None:
    found = compare([[face(0), face(50)]], [[face(0), face(100)]])
    assert counts(found) == (2, 1, 2, 1)


def test_what_the_other_is_less_sure_of_is_neither_missed_nor_extra() -> None:
    found = compare([[face(0, 0.95), face(50, 0.85)]], [[face(0, 0.85), face(50, 0.95)]])
    assert counts(found) == (1, 0, 1, 0)


def test_who_reports_sure_faces_only_misses_what_it_is_less_sure_of() -> None:
    reported = [one for one in (face(0, 0.85), face(50, 0.95)) if one[4] >= 0.9]
    assert counts(compare([[face(0, 0.95), face(50, 0.85)]], [reported])) == (1, 1, 1, 0)


def test_small_faces_are_counted_apart() -> None:
    reference = [[face(0, side=20), face(100, side=59), face(200, side=60), face(300, 0.5, side=5)]]
    told = compare(reference, [[face(200, side=60), face(100, side=59)]]).told()
    assert (told["faces"], told["small"], told["smallest"]) == (3, 2, 20)
    assert told["missed"] == 1
    assert compare([[]], [[]]).told()["smallest"] is None


def test_faces_lower_than_asked_for_are_told_apart() -> None:
    reference = [[face(0, side=20), face(100, side=40), face(200, side=60)]]
    ours = [[face(200, side=60), face(300, side=39), face(400, side=40)]]
    told = compare(reference, ours, min_face=40).told()
    assert (told["faces"], told["missed"], told["extra"]) == (3, 2, 2)
    assert (told["asked"], told["missed_asked"], told["extra_asked"]) == (2, 1, 1)
    twice = together([compare(reference, ours, min_face=40), compare(reference, ours, min_face=20)]).told()
    assert (twice["asked"], twice["missed_asked"], twice["extra_asked"]) == (5, 3, 3)


def test_the_same_face_drawn_twice_is_one() -> None:
    once = Origin(0, 100, 100, 50)
    again, beside, elsewhere = once._replace(x=120.0), once._replace(y=126.0), once._replace(source=1)
    assert different([once, again, beside, elsewhere, once]) == 3
    assert different([]) == 0


def test_origins_are_asked_for_sure_faces_of_the_reference_by_picture() -> None:
    def origin(number: int, one: Found) -> Origin | None:
        return Origin(number, one[0], 0.0, 10.0) if one[0] < 40 else None

    reference = [[face(0), face(50)], [face(0), face(20, 0.5)], [face(1)]]
    part = compare(reference, [[], [], []], origins=origin)
    assert [each[:2] for each in part.origins] == [(0, 0.0), (1, 0.0), (2, 1.0)]
    assert part.told()["distinct"] == together([part, part]).told()["distinct"] == 3
    assert compare(reference, [[], [], []]).told()["distinct"] is None


def test_unsure_faces_alone_are_no_difference() -> None:
    found = compare([[face(0, 0.85)], []], [[], [face(0, 0.85)]])
    assert counts(found) == (0, 0, 0, 0)
    assert found.quantile(0.5) is None


def test_a_face_pairs_once_with_the_best_overlap() -> None:
    found = compare([[face(0)]], [[face(2), face(1)]])
    assert counts(found)[1::2] == (0, 1)
    assert found.overlaps == (pytest.approx(9 / 11),)


@pytest.mark.parametrize(("shift", "missed"), [(3.0, 0), (4.0, 1)])  # overlap of 7/13 and 6/14
def test_half_an_overlap_is_a_pair(shift: float, missed: int) -> None:
    assert counts(compare([[face(0)]], [[face(shift)]]))[1] == missed


def test_faces_of_different_pictures_do_not_pair() -> None:
    found = compare([[face(0)], []], [[], [face(0)]])
    assert counts(found)[1::2] == (1, 1)


def test_pictures_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="argument"):
        compare([[], []], [[]])


def test_together() -> None:
    parts = [compare([[face(0)]], [[face(1)]]), compare([[face(0), face(50)]], [[face(0)]])]
    whole = together(parts)
    assert counts(whole) == (3, 1, 2, 0)
    assert whole.told()["iou_min"] == pytest.approx(9 / 11)
    assert whole.told()["iou_median"] == pytest.approx((1 + 9 / 11) / 2)
