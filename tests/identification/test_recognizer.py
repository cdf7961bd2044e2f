import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.identification.recognizer import threshold_for, visit_threshold_for
from tests.identification.scene import like, person, recognizer


@pytest.mark.parametrize(
    ("people", "rate", "expected"),
    [(9, 0.01, 0.57), (99, 0.01, 0.70), (9, 0.001, 0.675), (99, 0.001, 0.78)],
)
def test_threshold_is_the_measured_one(people: int, rate: float, expected: float) -> None:
    assert threshold_for(people, rate) == pytest.approx(expected)


def test_between_the_measured_rates_it_lies_between() -> None:
    middle = threshold_for(9, 10**-2.5)
    assert middle == pytest.approx((0.57 + 0.675) / 2)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.floats(1e-9, 0.999), st.floats(1e-9, 0.999))
def test_more_people_or_fewer_false_alarms_never_lower_it(few: int, many: int, lax: float, strict: float) -> None:
    few, many = sorted((few, many))
    strict, lax = sorted((lax, strict))
    assert 0.35 <= threshold_for(few, lax) <= threshold_for(many, strict) + 1e-9 <= 0.90 + 1e-9


def test_laxer_rates_grow_with_people_as_at_one_percent() -> None:
    for rate in (0.05, 0.1):
        growth = threshold_for(999, rate) - threshold_for(99, rate)
        assert growth == pytest.approx(0.13) and threshold_for(99, rate) < threshold_for(99, 0.01)


def test_a_first_person_counts_as_two_and_nobody_as_one_person() -> None:
    assert threshold_for(1, 0.01) == pytest.approx(0.44 + 0.13 * math.log10(2)) == threshold_for(0, 0.01)


@given(st.integers(1, 10_000), st.floats(1e-4, 0.1))
def test_one_more_person_raises_it_less_the_more_there_are(people: int, rate: float) -> None:
    now, then, later = (threshold_for(people + more, rate) for more in range(3))
    if later < 0.90 and now > 0.35:
        assert now < then < later and later - then < then - now + 1e-12


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
    assert found.threshold == rule.threshold == pytest.approx(0.44 + 0.13 * math.log10(3))
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
    assert rule.compare(bob, "alice", without={"alice", "bob"}).runner_up is None
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


def test_of_twins_the_likelier_is_best_and_the_other_close_behind() -> None:
    ann = person(1)
    rule = recognizer(ann=ann, beth=like(ann, 0.95, seed=2), carol=person(3))
    found = rule.identify(like(ann, 0.8, seed=4))
    assert found.best is not None and found.runner_up is not None
    assert {found.best.person, found.runner_up.person} == {"ann", "beth"}
    assert found.best.score - found.runner_up.score < 0.15
    assert [pair[:2] for pair in rule.gallery.lookalikes()] == [("ann", "beth")]


def test_one_person_under_two_names_is_equally_like_both() -> None:
    ann = person(1)
    found = recognizer(ann=ann, anna=ann).identify(like(ann, 0.8, seed=4))
    assert found.best is not None and found.runner_up is not None
    assert found.best.score == found.runner_up.score


@pytest.mark.parametrize("people", [1, 4, 100])
def test_a_visit_needs_more_than_a_single_face_but_not_where_the_user_says_what_it_needs(people: int) -> None:
    enrolled = {f"person{number}": person(number) for number in range(people)}
    rule = recognizer(**enrolled)
    assert rule.limit().threshold == pytest.approx(rule.threshold + 0.01)
    assert rule.limit(false_alarm_rate=0.001).threshold == pytest.approx(threshold_for(people, 0.001) + 0.01)
    assert rule.limit(false_alarm_rate=0.0001).threshold <= 0.90
    own = recognizer(**enrolled, threshold=0.6)
    assert (own.limit().threshold, own.limit(threshold=0.7).threshold) == (0.6, 0.7)
    assert (own.limit().source, own.limit(threshold=0.7).source, rule.limit().source) == (
        "recognition",
        "camera",
        "rate",
    )


def test_the_threshold_of_visits_has_the_same_upper_end() -> None:
    assert visit_threshold_for(10_000, 0.0001) == 0.90
