"""Delays grow, are bounded and jittered, and begin again after a healthy spell."""

import random

from camwatch.service.backoff import Backoff


def delays(backoff: Backoff, count: int) -> list[float]:
    return [backoff.delay(now=float(i)) for i in range(count)]


def test_delays_double_up_to_the_limit_and_are_never_immediate():
    got = delays(Backoff(first=1.0, limit=30.0, rng=random.Random(1)), 12)
    for i, delay in enumerate(got):
        ceiling = min(30.0, 2.0**i)
        assert ceiling / 2 <= delay <= ceiling


def test_two_cameras_do_not_retry_in_step():
    a = delays(Backoff(rng=random.Random(1)), 5)
    b = delays(Backoff(rng=random.Random(2)), 5)
    assert a != b


def test_a_healthy_minute_resets_a_short_life_does_not():
    backoff = Backoff(first=1.0, limit=64.0, healthy=60.0)
    for now in range(5):
        backoff.delay(float(now))
    backoff.worked(10.0)
    assert backoff.delay(20.0) > 8.0
    backoff.worked(30.0)
    assert backoff.delay(95.0) <= 1.0


def test_what_was_away_for_long_is_back_within_seconds():
    backoff = Backoff(rng=random.Random(3))
    away = delays(backoff, 200)
    assert max(away) <= 8.0 and min(away[4:]) >= 4.0
    backoff.worked(300.0)
    assert backoff.delay(331.0) <= 1.0


def test_a_year_of_failures_does_not_overflow():
    backoff = Backoff(first=1.0, limit=30.0)
    backoff.failures = 10_000_000
    assert backoff.delay(0.0) <= 30.0
