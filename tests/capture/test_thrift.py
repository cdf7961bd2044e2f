import math

import pytest

from camwatch.capture.thrift import AGAIN, WINDOW, Thrift


def play(thrift: Thrift, seconds: float, *, whole: float, left: float, start: float = 0.0) -> list[tuple[float, bool]]:
    """A stream of `whole` pictures a second, of which `left` are decoded while the others are skipped."""
    answers, owed, skipping = [], 0.0, False
    for i in range(round(seconds * whole)):
        owed += left / whole if skipping else 1.0
        pictures, owed = int(owed), owed % 1
        skipping = thrift.skips(start + i / whole, pictures)
        answers.append((start + i / whole, skipping))
    return answers


def share(answers: list[tuple[float, bool]], after: float = 0.0) -> float:
    late = [skipping for t, skipping in answers if t >= after]
    return sum(late) / len(late)


@pytest.mark.parametrize(
    ("whole", "left", "fps"), [(25, 12.5, 5), (15, 7.6, 5), (30, 10, 6), (25, 8.4, 5), (25, 20, 1)]
)
def test_pictures_that_are_not_needed_are_skipped_for_good(whole: float, left: float, fps: float) -> None:
    assert share(play(Thrift(fps), 3600, whole=whole, left=left), after=2 * WINDOW) == 1


def test_nothing_is_skipped_before_the_rate_is_known() -> None:
    assert share(play(Thrift(5), WINDOW * 0.9, whole=25, left=12)) == 0


@pytest.mark.parametrize(("whole", "fps"), [(10, 5), (12, 5), (25, 25), (25, 12), (25, math.inf)])
def test_a_stream_that_gives_little_more_than_is_wanted_is_decoded_whole(whole: float, fps: float) -> None:
    assert share(play(Thrift(fps), 1200, whole=whole, left=whole / 2)) == 0


def test_too_little_left_is_undone_and_seldom_tried_again() -> None:
    answers = play(Thrift(5), 3 * AGAIN, whole=15, left=5)
    assert 0 < share(answers) < 1.5 * WINDOW / AGAIN
    tries = [t for (t, now), (_, before) in zip(answers[1:], answers, strict=False) if now and not before]
    assert len(tries) in (2, 3)
    assert tries[1] - tries[0] >= AGAIN


def test_where_hardly_anything_can_be_skipped_it_is_given_up() -> None:
    assert share(play(Thrift(5), AGAIN, whole=25, left=25), after=3 * WINDOW) == 0


def test_it_is_undone_when_the_camera_slows_down_and_taken_up_again_when_it_is_back() -> None:
    thrift = Thrift(5)
    assert share(play(thrift, 60, whole=25, left=12.5), after=30) == 1
    slow = play(thrift, AGAIN, whole=10, left=5, start=60)
    assert share(slow, after=60 + 3 * WINDOW) == 0
    assert share(play(thrift, AGAIN, whole=25, left=12.5, start=60 + AGAIN), after=60 + AGAIN + 6 * WINDOW) > 0.9


def test_a_silence_undoes_it_for_a_while() -> None:
    thrift = Thrift(5)
    play(thrift, 60, whole=25, left=12.5)
    assert share(play(thrift, 60, whole=25, left=12.5, start=90)) == 0
