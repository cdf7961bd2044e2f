"""Which faces are chosen: all that are new or uncertain, of the others few, and never one that is needed."""

from collections.abc import Sequence

import numpy as np
import pytest

from camwatch.identification.attention import BETTER, ENOUGH, NAMED_EVERY, OPEN_EVERY, UNKNOWN_EVERY, Attention
from camwatch.identification.evidence import Gates
from camwatch.records import Choice, Frame, Glimpse, Settled
from tests.identification.scene import START, face, person

PICTURE = np.zeros((480, 640, 3), np.uint8)
SAME = person(1)[:64] / np.linalg.norm(person(1)[:64])
OTHER = person(2)[:64] / np.linalg.norm(person(2)[:64])


def glimpse(sketch: np.ndarray = SAME, **more: float) -> Glimpse:
    shown = face(None, **more)
    return Glimpse(shown.detection, shown.quality, sketch)


def look(attention: Attention, seconds: float, *glimpses: Glimpse, camera: str = "door") -> Sequence[Choice]:
    return attention.choose(Frame(camera, 0, START + seconds, seconds, None, PICTURE), glimpses)


def chosen(attention: Attention, times: Sequence[float], **more: float) -> list[float]:
    """The times at which one face alone is embedded."""
    return [time for time in times if look(attention, time, glimpse(**more))[0].embed]


def every(fps: float, begin: float, end: float) -> list[float]:
    return [round(begin + number / fps, 3) for number in range(round((end - begin) * fps))]


def settled(kind: str = "named") -> tuple[Attention, int]:
    """Somebody seen for 2 s, settled since; the last frame was at 1.8 s, all were embedded."""
    attention = Attention()
    assert chosen(attention, every(5, 0, 2)) == every(5, 0, 2)
    number = look(attention, 1.9, glimpse())[0].follow
    assert number is not None
    attention.settle("door", Settled(**{kind: frozenset({number})}))
    return attention, number


def test_who_is_undecided_is_embedded_at_once_until_more_would_not_help() -> None:
    times = every(5, 0, 10)
    assert chosen(Attention(), times) == [
        *times[:ENOUGH],
        *(time for time in times[ENOUGH:] if (time - 3) % OPEN_EVERY == 0),
    ]


@pytest.mark.parametrize(("kind", "interval"), [("named", NAMED_EVERY), ("unknown", UNKNOWN_EVERY)])
def test_who_is_settled_is_looked_at_again_on_a_schedule(kind: str, interval: float) -> None:
    attention, _ = settled(kind)
    looks = chosen(attention, every(5, 2, 30))
    assert np.diff([1.9, *looks]) == pytest.approx(interval, abs=0.21) and len(looks) > 4


def test_who_is_no_longer_settled_is_embedded_at_once() -> None:
    attention, number = settled()
    assert chosen(attention, every(5, 2, 3)) == []
    attention.settle("door", Settled())
    assert chosen(attention, every(5, 3, 4)) == every(5, 3, 4)
    assert look(attention, 4.0, glimpse())[0].follow == number


def test_a_better_picture_is_looked_at_before_its_time_and_once() -> None:
    attention, _ = settled()
    assert chosen(attention, every(5, 2, 3), score=0.9 + BETTER / 2) == []
    assert chosen(attention, every(5, 3, 4), score=0.9 + BETTER + 0.01) == [3.0]


def test_a_face_that_is_not_embedded_is_shown_where_it_is_the_best_so_far() -> None:
    attention, _ = settled()
    assert [look(attention, 2.0 + n / 5, glimpse(score=s))[0].show for n, s in enumerate((0.9, 0.95, 0.95, 0.9))] == [
        False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        glimpse(x=360),  # it jumped by more than half its width
        glimpse(height=130),  # it grew
        glimpse(height=75),
        glimpse(sketch=OTHER),  # in the same place somebody else
    ],
)
def test_where_it_is_not_certain_who_it_is_it_is_somebody_new(changed: Glimpse) -> None:
    attention, number = settled()
    [before] = look(attention, 2.0, glimpse())
    [after] = look(attention, 2.2, changed)
    [next_one] = look(attention, 2.4, changed)
    assert before == Choice(number, embed=False)
    assert after.embed and after.follow != number, "whose face this is was taken for certain"
    assert next_one.embed and next_one.follow == after.follow, "one change makes one newcomer"


@pytest.mark.parametrize("gap", [1.6, 60.0, -5.0])
def test_who_was_not_seen_for_a_while_or_before_a_step_of_the_clock_is_new(gap: float) -> None:
    attention, number = settled()
    [after] = look(attention, 1.9 + gap, glimpse())
    assert after.embed and after.follow != number


def test_a_camera_that_shows_one_frame_a_second_is_followed_too() -> None:
    attention, number = settled()
    assert {look(attention, 1.9 + n * 1.03, glimpse())[0].follow for n in range(1, 9)} == {number}


def test_people_side_by_side_are_followed_and_people_who_cross_are_embedded() -> None:
    attention = Attention()
    apart = [look(attention, n / 5, glimpse(x=300), glimpse(x=390)) for n in range(4)]
    assert len({choice.follow for choices in apart for choice in choices}) == 2
    one, two = (choice.follow for choice in apart[-1])
    attention.settle("door", Settled(frozenset({one, two})))  # type: ignore[arg-type]
    assert not any(choice.embed for choice in look(attention, 0.8, glimpse(x=300), glimpse(x=390)))
    near = [look(attention, 0.8 + n / 5, glimpse(x=310 + 10 * n), glimpse(x=380 - 10 * n, y=240)) for n in range(1, 7)]
    assert all(choice.embed and choice.follow not in (one, two) for choices in near[2:] for choice in choices)


def test_who_is_left_when_one_of_two_is_hidden_is_not_taken_for_certain() -> None:
    attention = Attention()
    for n in range(4):
        both = look(attention, n / 5, glimpse(x=300), glimpse(x=335))
    attention.settle("door", Settled(frozenset(choice.follow for choice in both)))  # type: ignore[misc]
    looks = [look(attention, 0.8 + n / 5, glimpse(x=315))[0] for n in range(3)]
    assert all(choice.embed for choice in looks), "either of the two may be the one who is seen"


def test_who_was_hidden_may_come_out_again_in_the_place_of_the_other() -> None:
    attention = Attention()
    for n in range(4):
        look(attention, n / 5, glimpse(x=300), glimpse(x=335))
    [behind] = look(attention, 0.8, glimpse(x=315))
    attention.settle("door", Settled(frozenset({behind.follow})))  # type: ignore[arg-type]
    [after] = look(attention, 1.0, glimpse(x=318))
    assert after.embed and after.follow != behind.follow


def test_poor_faces_are_embedded_twice_and_then_seldom() -> None:
    assert chosen(Attention(), every(5, 0, 4), turn=0.8) == [0.0, 0.2, 1.2, 2.2, 3.2]
    far = Attention({"door": Gates(min_height=120.0)})
    assert chosen(far, every(5, 0, 3)) == [0.0, 0.2, 1.2, 2.2], "each camera has its own gates"


def test_the_first_usable_face_after_poor_ones_is_not_delayed() -> None:
    attention = Attention()
    assert chosen(attention, every(5, 0, 1), turn=0.8) == [0.0, 0.2]
    assert chosen(attention, every(5, 1, 2)) == every(5, 1, 2)


def test_weak_faces_do_not_use_up_what_good_ones_may_take() -> None:
    attention = Attention()
    assert len(chosen(attention, every(5, 0, 5), turn=0.4)) < 25
    good = every(5, 5, 7)
    assert chosen(attention, good) == good


def test_a_second_box_on_one_face_is_left_alone() -> None:
    surer, other = glimpse(x=300, confidence=0.99), glimpse(x=308, confidence=0.95)
    choices = look(Attention(), 0.0, other, surer)
    assert choices[0] == Choice(None, embed=False) and choices[1].embed


def test_cameras_do_not_know_of_each_other() -> None:
    attention, number = settled()
    [elsewhere] = look(attention, 2.0, glimpse(), camera="yard")
    assert elsewhere.embed and elsewhere.follow != number
    assert not look(attention, 2.2, glimpse())[0].embed


def test_what_may_not_have_been_done_is_begun_anew() -> None:
    attention, number = settled()
    attention.forget({"door"})
    [after] = look(attention, 2.0, glimpse())
    assert after.embed and after.follow != number


def test_a_crowd_leaves_no_more_behind_than_it_may() -> None:
    attention = Attention()
    rng = np.random.default_rng(1)
    for n in range(40):
        places = rng.uniform(0, 5000, (60, 2))
        look(attention, n / 25, *(glimpse(x=x, y=y) for x, y in places))
    assert len(attention._cameras["door"].followers) <= 64
