"""Health follows the frames: stuck ones make it ill, absent ones and busy ones do not."""

from camwatch.service.health import Health
from camwatch.service.ring import FrameCounts


def counts(captured: int, analyzed: int, idle: int = 0, busy: int = 0) -> dict[str, FrameCounts]:
    return {"front": FrameCounts(captured, idle, 0, analyzed, busy, 0)}


def test_frames_that_wait_too_long_make_it_ill_and_say_where():
    health = Health(patience=20.0)
    assert health.judge(counts(5, 3), {}, last_turn=0.0, now=0.0).healthy
    assert health.judge(counts(9, 3), {}, last_turn=20.0, now=20.0).healthy
    verdict = health.judge(counts(9, 3), {}, last_turn=21.0, now=21.0)
    assert not verdict.healthy
    assert verdict.problems == ("front: frames have been waiting for 21 s",)
    assert health.judge(counts(9, 4), {}, last_turn=22.0, now=22.0).healthy


def test_idle_frames_and_drops_do_not_hide_that_nothing_is_analysed():
    health = Health(patience=20.0)
    health.judge(counts(5, 3), {}, last_turn=0.0, now=0.0)
    verdict = health.judge(counts(105, 3, idle=50, busy=40), {}, last_turn=30.0, now=30.0)
    assert not verdict.healthy


def test_a_camera_without_frames_is_noted_and_no_illness():
    health = Health(patience=20.0)
    for now in (0.0, 100.0):
        verdict = health.judge(counts(5, 5), {"front": "connection refused"}, last_turn=now, now=now)
        assert verdict.healthy
        assert verdict.notes == ("front: connection refused",)


def test_overload_is_no_illness_while_some_frames_are_analysed():
    health = Health(patience=20.0)
    for step in range(50):
        assert health.judge(counts(100 * step + 4, step), {}, last_turn=10.0 * step, now=10.0 * step).healthy


def test_a_main_loop_that_does_not_turn_is_ill():
    verdict = Health(patience=20.0).judge({}, {}, last_turn=0.0, now=25.0)
    assert verdict.problems == ("decisions: the main loop has been busy for 25 s",)
