"""A name stays with its person: it goes to nobody in the same place, of similar looks, or beside the person."""

import logging

import numpy as np
import pytest

from camwatch.identification.visits import VisitTracker
from camwatch.records import EventType, Observation
from tests.identification.scene import (
    START,
    check_contract,
    empty,
    face,
    frame,
    like,
    person,
    play,
    recognizer,
    stay,
    together,
    told,
    whole,
)

ALICE, BOB, STRANGER, OTHER = (person(number) for number in range(1, 5))
KNOWN = recognizer(alice=ALICE, bob=BOB)


def tracker(**more: object) -> VisitTracker:
    return VisitTracker("door", KNOWN, node="nvr", **more)  # type: ignore[arg-type]


# -- in the same place


@pytest.mark.parametrize(
    "poor",
    [
        stay(None, begin=2.2, seconds=60, height=24, x=330, y=230),  # much smaller
        stay(STRANGER, begin=2.2, seconds=60, height=24, x=330, y=230),
        stay(None, begin=2.2, seconds=60, height=60),  # of her size, not embedded
        stay(None, begin=2.2, seconds=60, height=90, turn=0.8),
        stay(STRANGER, begin=2.2, seconds=60, height=38),
    ],
)
def test_faces_that_could_be_anybodys_keep_nobody_present(poor: list[Observation]) -> None:
    watch = tracker()
    events = play(watch, stay(ALICE, seconds=2) + poor)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    assert events[1].decided_at == pytest.approx(START + 7.2)
    assert (watch.state().present, watch.state().seen) == ((), {"alice": START + 2.0})
    check_contract(events + watch.flush(START + 63))


def test_a_face_much_larger_or_smaller_in_the_same_place_is_not_of_the_visit() -> None:
    events = whole(tracker(), stay(ALICE, seconds=2) + stay(None, begin=2.2, seconds=1, height=24))
    assert {event.faces_seen for event in events if event.event_type is EventType.ENDED} == {11, 6}


@pytest.mark.parametrize("poor", [{"turn": 0.8}, {"sharpness": 2.0}, {"height": 28.0}])
def test_poor_faces_that_look_like_the_person_keep_her_present(poor: dict[str, float]) -> None:
    watch = tracker()
    near = stay(ALICE, seconds=2, height=55)
    events = play(watch, near + stay(ALICE, begin=2.2, seconds=20, cosine=0.7, **{"height": 50.0, **poor}))
    assert told(events) == [("recognized", "alice")]
    assert watch.state().seen == {"alice": START + 22.2}


def test_a_stranger_of_whom_nothing_was_usable_stays_by_place() -> None:
    events = play(tracker(), stay(None, seconds=20, height=22))
    assert events == []


def test_a_scene_cut_carries_no_name_over() -> None:
    events = whole(tracker(), stay(ALICE, seconds=2) + stay(STRANGER, begin=2.2, seconds=3))
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]
    check_contract(events)
    assert events[2].last_seen == START + 2.0 and events[3].first_seen == START + 2.2


def test_a_scene_cut_to_a_turned_face_carries_no_name_over() -> None:
    events = whole(tracker(), stay(ALICE, seconds=2) + stay(STRANGER, begin=2.2, seconds=3, turn=0.8))
    assert told(events) == [("recognized", "alice"), ("ended", "alice"), ("ended", None)]
    assert events[1].last_seen == START + 2.0 and events[2].reason == "turned_away"


def test_a_face_that_is_first_followed_by_its_place_alone_must_prove_itself() -> None:
    named = stay(ALICE, seconds=2)
    tiny = stay(None, begin=2.2, seconds=0.6, height=60)  # not embedded: only its place speaks
    stranger = stay(STRANGER, begin=3.0, seconds=3)
    events = whole(tracker(), named + tiny + stranger)
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]


# -- of similar looks


@pytest.mark.parametrize("cosine", [0.36, 0.40, 0.43])
def test_a_stranger_of_similar_looks_takes_no_visit_over(cosine: float) -> None:
    watch = tracker()
    lookalike = stay(like(ALICE, cosine, seed=9), begin=2.2, seconds=30, cosine=0.95)
    events = play(watch, stay(ALICE, seconds=2) + lookalike)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice")]
    assert watch.state().present == () and watch.state().unknown_count == 1
    check_contract(events + watch.flush(START + 33))


def test_a_named_visit_below_the_threshold_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    watch = tracker()
    play(watch, stay(ALICE, seconds=2))
    watch.replace_recognizer(recognizer(alice=ALICE, bob=BOB, threshold=0.999))
    with caplog.at_level(logging.INFO):
        watch.flush(START + 4)
    assert "visit of alice" in caplog.text


# -- beside the person


def test_a_lookalike_beside_a_person_is_unknown_and_stays_so() -> None:
    lookalike = like(ALICE, 0.62, seed=9)
    side_by_side = together(stay(ALICE, seconds=6, x=150), stay(lookalike, seconds=6, x=450, cosine=0.97))
    alone = stay(lookalike, begin=6.2, seconds=10, x=450, cosine=0.97)
    events = whole(tracker(), side_by_side + alone)
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]
    assert [event.faces_used for event in events[2:]] == [31, 82]
    assert events[1].score is not None and events[1].score < 0.2, "of the people that it can still be"


def test_a_mirror_image_beside_its_person_is_unknown() -> None:
    mirrored = stay(ALICE, begin=1.0, seconds=7, x=500, cosine=0.8)
    events = whole(tracker(), together(stay(ALICE, seconds=8, x=150), mirrored))
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]


@pytest.mark.parametrize("begin", [0.0, 3.0])
def test_of_two_lookalikes_the_better_one_has_the_name(begin: float) -> None:
    watch = tracker()
    lookalike = stay(like(ALICE, 0.62, seed=9), seconds=8, x=150, cosine=0.97)
    events = play(watch, together(lookalike, stay(ALICE, begin=begin, seconds=8 - begin, x=450)))
    taken_back = [("recognized", "alice"), ("ended", "alice")] if begin else []
    assert told(events) == [*taken_back, ("recognized", "alice"), ("unknown", None)]
    [alice] = [one for one in watch.faces() if one.person == "alice"]
    assert alice.box.x1 > 400
    check_contract(events + watch.flush(START + 9))


def test_twins_side_by_side_get_a_name_each() -> None:
    anna, berta = ALICE, like(ALICE, 0.8, seed=3)
    watch = VisitTracker("door", recognizer(anna=anna, berta=berta), node="nvr")
    events = play(watch, together(stay(anna, x=150, cosine=0.95), stay(berta, x=450, cosine=0.95)))
    assert sorted(told(events)) == [("recognized", "anna"), ("recognized", "berta")]


def test_two_people_who_cross_do_not_swap_names() -> None:
    seen = []
    for step in range(21):
        alice = face(like(ALICE, 0.8, step), x=100 + 20 * step)
        stranger = face(like(STRANGER, 0.8, step), x=500 - 20 * step, y=240)
        seen.append(frame(step * 0.2, alice, stranger))
    events = whole(tracker(), seen)
    check_contract(events)
    ended = {event.person: event for event in events if event.event_type is EventType.ENDED}
    assert set(ended) == {"alice", None}
    assert ended["alice"].box[0] > 0.6 > ended[None].box[0]
    assert ended["alice"].faces_used >= 19 and ended[None].faces_used >= 19


# -- after the end


def test_faces_of_an_ended_visit_are_never_counted_again() -> None:
    watch = tracker()
    events = play(watch, stay(ALICE, seconds=2))
    events += watch.advance(START + 7.1)
    events += play(watch, stay(ALICE, begin=2.2, seconds=1))  # were still under way
    events += watch.flush(START + 8)
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")] * 2
    assert [event.faces_used for event in events] == [3, 11, 3, 6]
    assert events[2].first_seen == pytest.approx(START + 2.2)


def test_who_stands_beside_is_no_runner_up_at_the_end_either() -> None:
    bob = like(ALICE, 0.62, seed=7)  # he looks like her
    watch = VisitTracker("door", recognizer(alice=ALICE, bob=bob, carl=person(5)), node="nvr")
    first = stay(bob, seconds=4.0, cosine=0.97, x=150.0)
    events = whole(watch, together(first, stay(like(ALICE, 0.85, 9), begin=1.0, seconds=3.0, cosine=0.97, x=450.0)))
    hers = [event for event in events if event.person == "alice"]
    assert told(hers) == [("recognized", "alice"), ("ended", "alice")]
    assert [event.runner_up and event.runner_up.person for event in hers] == ["carl", "carl"]
    assert [event.account and event.account.taken for event in hers] == [("bob",), ("bob",)]


# -- neither


def test_one_person_under_two_names_is_ambiguous() -> None:
    watch = VisitTracker("door", recognizer(alice=ALICE, ali=like(ALICE, 0.98, 5)), node="nvr")
    events = whole(watch, stay(ALICE, seconds=20))
    assert told(events) == [("ended", None)] and events[0].reason == "ambiguous"
    check_contract(events)


def test_a_few_faces_between_two_people_were_too_few() -> None:
    between = (ALICE + BOB) / np.linalg.norm(ALICE + BOB)
    [ended] = whole(tracker(), [frame(number * 0.2, face(between)) for number in range(2)])
    assert ended.reason == "too_short"


def test_at_the_end_good_evidence_at_the_threshold_is_a_name() -> None:
    just = like(ALICE, KNOWN.limit().threshold + 0.005, seed=4)
    seen = [frame(number * 0.2, face(just)) for number in range(6)]
    assert told(whole(tracker(), seen)) == [("recognized", "alice"), ("ended", "alice")]
    assert told(whole(tracker(), seen[:4])) == [("ended", None)]
    under = [frame(number * 0.2, face(like(ALICE, KNOWN.limit().threshold - 0.01, seed=4))) for number in range(6)]
    assert told(whole(tracker(), under)) == [("unknown", None), ("ended", None)]


# -- broken


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, 0.0])
@pytest.mark.parametrize("turn", [0.05, 0.8])
def test_a_broken_embedding_counts_as_none(value: float, turn: float) -> None:
    broken = np.full(512, value, np.float32)
    seen = stay(ALICE, seconds=2) + [frame(2.2 + number * 0.2, face(broken, turn=turn)) for number in range(12)]
    events = whole(tracker(), seen + stay(ALICE, begin=4.6, seconds=1) + empty(5.8, 12))
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    assert events[1].faces_used == 17 and events[1].score is not None and events[1].score > 0.9
    check_contract(events)


def test_who_left_the_gallery_is_not_named_by_who_stands_beside() -> None:
    watch = tracker()
    pair = together(stay(ALICE, seconds=3.0, x=150.0), stay(BOB, seconds=3.0, x=450.0))
    assert {one.person for one in play(watch, pair)} == {"alice", "bob"}
    watch.replace_recognizer(recognizer(bob=BOB))
    taken = {one.person: one.account.taken for one in watch.flush(START + 9.0) if one.account is not None}
    assert taken.keys() == {"alice", "bob"} and taken["bob"] == ()


def test_who_comes_from_far_away_is_named_by_the_good_faces() -> None:
    events = whole(tracker(), stay(ALICE, seconds=8.0, height=25) + stay(ALICE, begin=8.2, seconds=1.0, height=45))
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")], "the small ones say nothing, for or against"


def test_of_too_many_visits_those_go_that_were_unseen_longest() -> None:
    watch = VisitTracker("door", KNOWN, node="nvr", visit_gap=1000.0)
    events = []
    for number in range(70):
        events += play(watch, stay(person(100 + number), begin=number * 2.0, seconds=1.0, x=50.0 + 500 * (number % 2)))
    ended = [event for event in events if event.event_type == "ended"]
    assert len(ended) == 6 and [event.first_seen for event in ended] == sorted(event.first_seen for event in ended)
    assert ended[-1].first_seen < START + 14.0, "the first who came"


def test_a_small_face_a_little_like_her_does_not_keep_her_present() -> None:
    watch = tracker()
    tiny = stay(like(ALICE, 0.47, seed=9), begin=2.2, seconds=30, height=38, cosine=0.99)
    events = play(watch, stay(ALICE, seconds=2, height=60) + tiny)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]


def test_who_is_followed_by_place_after_blindness_must_prove_to_be_the_person() -> None:
    watch = tracker()
    events = play(watch, stay(ALICE, seconds=2))
    watch.excuse(START + 20.0)
    events += play(watch, stay(None, begin=20.2, seconds=0.6, height=90.0))
    assert watch.state().visits == 1, "goes on by its place"
    events += whole(watch, stay(STRANGER, begin=21.0, seconds=4.0))
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]


def test_of_two_lookalikes_about_as_like_the_first_keeps_the_name() -> None:
    first, second = like(ALICE, 0.80, seed=1), like(ALICE, 0.83, seed=2)
    seen = [
        frame(number / 5, *([face(first, x=150)] + ([face(second, x=450)] if number > 10 else [])))
        for number in range(40)
    ]
    events = whole(tracker(), seen)
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]


def test_who_stood_beside_her_does_not_take_her_name_when_she_comes_back() -> None:
    hers, again, lookalike = like(ALICE, 0.95, 1), like(ALICE, 0.60, 2), like(ALICE, 0.80, 3)
    seen = []
    for number in range(75):
        faces = [face(lookalike, x=450)]
        if number <= 15 or number >= 50:
            faces.append(face(hers if number <= 15 else again, x=150))
        seen.append(frame(number / 5, *faces))
    events = whole(tracker(), seen)
    check_contract(events)
    [unknown] = [event for event in events if event.event_type == "unknown"]
    assert [event.visit_id for event in events if event.person == "alice"].count(unknown.visit_id) == 0
    assert told(events).count(("recognized", "alice")) == 2


def test_who_stood_beside_her_for_one_frame_does_not_go_on_with_her_visit() -> None:
    lookalike = like(ALICE, 0.62, seed=9)
    seen = together(stay(ALICE, seconds=2.2, x=150), stay(lookalike, begin=2.2, seconds=4.0, x=450, cosine=0.97))
    events = whole(tracker(visit_gap=20.0), seen)
    check_contract(events)
    assert [event.person for event in events if event.event_type == "ended"].count("alice") == 1
    [hers] = [event for event in events if event.event_type == "ended" and event.person == "alice"]
    assert hers.last_seen == START + 2.2 and hers.faces_used == 12
    assert ("unknown", None) in told(events)


def test_who_is_joined_brings_its_company_and_the_names_that_it_cannot_have() -> None:
    watch = tracker()
    play(watch, together(*(stay(person(50 + n), seconds=0.2, x=100.0 + 150 * n) for n in range(3))))
    one, other, third = watch._open
    other.beside.clear()
    third.beside.discard(other)
    one.barred.add("alice")
    watch._join(one, other)
    assert other.barred == {"alice"}
    assert other.beside == {third} and other in third.beside and one not in third.beside


def test_who_stood_beside_somebody_forgotten_says_nothing_of_it() -> None:
    watch = tracker()
    events = play(watch, together(stay(ALICE, seconds=3, x=150), stay(STRANGER, seconds=3, x=450)))
    assert ("recognized", "alice") in told(events)
    watch.forget("alice", START + 3.0)
    [ended] = watch.flush(START + 3.2)
    assert ended.account is not None and ended.account.taken == ()


def test_the_end_of_who_is_no_longer_enrolled_is_not_noted_as_below_the_threshold(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = tracker()
    play(watch, stay(ALICE, seconds=2))
    watch.replace_recognizer(recognizer(bob=BOB))
    with caplog.at_level(logging.INFO):
        watch.flush(START + 4)
    assert "visit of alice" not in caplog.text


def test_two_visits_that_were_both_told_of_each_end_though_they_come_to_look_alike() -> None:
    along, across = person(60), person(61)
    across = (across - (across @ along) * along) / np.linalg.norm(across - (across @ along) * along)

    def at(degrees: float) -> np.ndarray:
        turned = np.cos(np.radians(degrees)) * along + np.sin(np.radians(degrees)) * across
        return np.asarray(turned, np.float32)

    seen = [frame(number / 5, face(at(0.0), x=100)) for number in range(12)]
    seen += [frame(3.0 + number / 5, face(at(75.0 if number < 12 else 40.0), x=500)) for number in range(60)]
    events = whole(tracker(visit_gap=30.0), seen)
    check_contract(events)
    assert sorted(told(events), key=str) == [("ended", None)] * 2 + [("unknown", None)] * 2


def test_other_rules_count_from_the_next_face_on() -> None:
    watch = tracker()
    watch.change(visit_gap=5.0, threshold=0.999, false_alarm_rate=None, min_face=40.0)
    assert told(whole(watch, stay(ALICE, seconds=3.0))) == [("unknown", None), ("ended", None)]
