import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.identification.recognizer import threshold_for
from tests.identification.scene import like, person, recognizer


@pytest.mark.parametrize(
    ("people", "rate", "expected"),
    [(1, 0.01, 0.44), (10, 0.01, 0.57), (100, 0.01, 0.70), (1, 0.001, 0.57), (10, 0.001, 0.675), (100, 0.001, 0.78)],
)
def test_threshold_is_the_measured_one(people: int, rate: float, expected: float) -> None:
    assert threshold_for(people, rate) == pytest.approx(expected)


def test_between_the_measured_rates_it_lies_between() -> None:
    middle = threshold_for(10, 10**-2.5)
    assert middle == pytest.approx((0.57 + 0.675) / 2)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(1e-9, 0.999), st.floats(1e-9, 0.999))
def test_more_people_or_fewer_false_alarms_never_lower_it(few: int, many: int, lax: float, strict: float) -> None:
    few, many = sorted((few, many))
    strict, lax = sorted((lax, strict))
    assert 0.35 <= threshold_for(few, lax) <= threshold_for(many, strict) + 1e-9 <= 0.90 + 1e-9


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false_alarm_rate"):
        threshold_for(10, rate)


def test_a_person_is_found_and_a_stranger_is_not() -> None:
    alice, bob = person(1), person(2)
    rule = recognizer(alice=alice, bob=bob)
    found = rule.identify(like(alice, 0.8, seed=1))
    assert found.person == "alice"
    assert found.best is not None and found.best.score == pytest.approx(0.8, abs=1e-4)
    assert found.runner_up is not None and found.runner_up.person == "bob"
    assert found.threshold == rule.threshold == pytest.approx(0.44 + 0.13 * math.log10(2))
    stranger = rule.identify(person(3))
    assert stranger.person is None and stranger.best is not None


def test_the_threshold_itself_is_enough_and_an_override_wins() -> None:
    alice = person(1)
    probe = like(alice, 0.6, seed=1)
    assert recognizer(alice=alice, threshold=0.7).identify(probe).person is None
    assert recognizer(alice=alice, threshold=0.7).identify(probe, 0.5).person == "alice"
    score = recognizer(alice=alice).gallery.score(probe, "alice")
    assert score is not None
    assert recognizer(alice=alice).identify(probe, score).person == "alice"
    assert recognizer(alice=alice, threshold=0.7).false_alarm_rate is None
    assert recognizer(alice=alice, false_alarm_rate=0.02).false_alarm_rate == 0.02


def test_nobody_enrolled_is_nobody_found() -> None:
    found = recognizer().identify(person(1))
    assert (found.person, found.best, found.runner_up) == (None, None, None)


def test_compare_holds_on_to_a_person_below_the_threshold() -> None:
    alice, bob = person(1), person(2)
    rule = recognizer(alice=alice, bob=bob)
    found = rule.compare(like(bob, 0.9, seed=1), "alice")
    assert found.person == "alice" and found.best is not None
    assert found.best.person == "alice" and found.runner_up is not None and found.runner_up.person == "bob"
    gone = rule.compare(bob, "carol")
    assert (gone.person, gone.best, gone.threshold) == ("carol", None, rule.threshold)
    assert gone.runner_up is not None and gone.runner_up.person == "bob"


def test_a_search_may_leave_people_out() -> None:
    alice, bob = person(1), person(2)
    rule = recognizer(alice=alice, bob=bob, carol=person(3))
    found = rule.identify(like(alice, 0.8, seed=1), without={"alice"})
    assert found.person is None and found.best is not None and found.runner_up is not None
    assert {found.best.person, found.runner_up.person} == {"bob", "carol"}
    assert rule.identify(alice, without={"alice", "bob", "carol", "dora"}).best is None
