"""Health follows the frames: stuck ones make it ill, absent ones and busy ones do not."""

from camwatch.service.health import Health, Verdict
from camwatch.service.ring import FrameCounts


def counts(captured: int, analyzed: int, idle: int = 0, busy: int = 0) -> dict[str, FrameCounts]:
    return {"front": FrameCounts(captured, idle, 0, analyzed, busy, 0)}


def judged(health: Health, now: float, count: dict[str, FrameCounts], down: dict[str, str] | None = None) -> Verdict:
    health.judge(count, down or {}, now=now)
    return health.verdict(now)


def test_frames_that_wait_too_long_make_it_ill_and_say_where():
    health = Health(patience=20.0)
    assert judged(health, 0.0, counts(5, 3)).healthy
    assert judged(health, 20.0, counts(9, 3)).healthy
    verdict = judged(health, 21.0, counts(9, 3))
    assert not verdict.healthy
    assert verdict.problems == ("front: frames come, and none has been analysed for 21 s",)
    assert judged(health, 22.0, counts(9, 4)).healthy


def test_idle_frames_and_drops_do_not_hide_that_nothing_is_analysed():
    health = Health(patience=20.0)
    judged(health, 0.0, counts(5, 3))
    assert not judged(health, 30.0, counts(105, 3, idle=50, busy=40)).healthy


def test_a_camera_without_frames_is_noted_and_no_illness():
    health = Health(patience=20.0)
    for now in (0.0, 100.0):
        verdict = judged(health, now, counts(5, 5), {"front": "connection refused"})
        assert verdict.healthy
        assert verdict.notes == ("front: connection refused",)


def test_overload_is_no_illness_while_some_frames_are_analysed():
    health = Health(patience=20.0)
    for step in range(50):
        assert judged(health, 10.0 * step, counts(100 * step + 4, step)).healthy


def test_a_camera_switched_on_after_an_hour_is_not_ill_at_once():
    health = Health(patience=20.0)
    judged(health, 0.0, counts(9, 9))
    for second in range(1, 3600, 60):
        judged(health, float(second), {})
    assert judged(health, 3600.0, counts(10, 9)).healthy


def test_a_main_loop_that_does_not_turn_is_ill():
    health = Health(patience=20.0)
    assert health.verdict(100.0).healthy
    health.judge({}, {}, now=100.0)
    assert health.verdict(110.0).healthy
    assert health.verdict(125.0).problems == ("decisions: the main loop has been busy for 25 s",)


def test_frames_that_are_all_dropped_are_stuck_too_though_none_ever_waits():
    health = Health(patience=20.0)
    for second in range(20):
        assert judged(health, float(second), counts(6 + second, 6, busy=second)).healthy
    # now and then none was due within the second
    assert not judged(health, 21.0, counts(26, 6, busy=20)).healthy
    assert not judged(health, 22.0, counts(26, 6, busy=20)).healthy
    assert judged(health, 23.0, counts(27, 7, busy=20)).healthy


def test_a_quiet_camera_that_lost_a_frame_is_not_stuck():
    health = Health(patience=20.0)
    judged(health, 0.0, counts(6, 6))
    judged(health, 1.0, counts(7, 6, busy=1))
    for second in range(2, 100):
        assert judged(health, float(second), counts(7 + second, 6, idle=second, busy=1)).healthy
