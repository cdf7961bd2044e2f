"""The waits between attempts."""

import random

from camwatch.publishing.reconnect import FIRST, LONGEST, REFUSED, STABLE, Reconnect


def test_waits_double_up_to_the_longest_with_jitter() -> None:
    schedule = Reconnect(random.Random(1))
    delays = [schedule.delay(connected_for=0, refused=False) for _ in range(50)]
    for number, delay in enumerate(delays):
        full = min(FIRST * 2**number, LONGEST)
        assert full / 2 <= delay <= full
    assert len(set(delays)) == len(delays)


def test_only_a_connection_that_lasted_resets_the_waits() -> None:
    schedule = Reconnect(random.Random(1))
    for _ in range(8):
        schedule.delay(connected_for=0, refused=False)
    assert schedule.delay(connected_for=STABLE / 2, refused=False) >= LONGEST / 2
    assert schedule.delay(connected_for=STABLE, refused=False) <= FIRST


def test_a_refusal_is_retried_slowly() -> None:
    schedule = Reconnect(random.Random(1))
    assert REFUSED / 2 <= schedule.delay(connected_for=0, refused=True) <= REFUSED


def test_a_year_of_failures_is_no_overflow() -> None:
    schedule = Reconnect(random.Random(1))
    assert max(schedule.delay(connected_for=0, refused=False) for _ in range(5000)) <= LONGEST
