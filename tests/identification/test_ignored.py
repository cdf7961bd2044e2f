"""People of whom nothing is told: searched for like others, told of to nobody."""

import numpy as np

from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.names import name_digest
from camwatch.records import IGNORED
from tests.identification.scene import (
    check_contract,
    enrolled,
    frame,
    like,
    person,
    play,
    stay,
    together,
    told,
    whole,
)

ANN, POST = person(1), person(2)


def tracker(*, ignored: frozenset[str] = frozenset({"Postman"}), **how: float) -> VisitTracker:
    return VisitTracker("door", known(ignored), node="nvr", **how)


def known(ignored: frozenset[str] = frozenset({"Postman"})) -> Recognizer:
    return Recognizer(Gallery(enrolled(Ann=ANN, Postman=POST), "test"), ignored=ignored)


def test_his_visit_is_over_and_nothing_else_is_told() -> None:
    visits = tracker()
    events = play(visits, stay(POST, seconds=6.0, chip=np.full((160, 160, 3), 90, np.uint8)))
    state = visits.state()
    assert events == [] and (state.present, state.unknown_count, state.last_person) == ((), 0, None)
    [ended] = visits.flush(10_000_000_000.0)
    assert (ended.event_type, ended.person, ended.reason) == ("ended", None, IGNORED)
    assert (ended.score, ended.runner_up, ended.chip) == (None, None, None)
    check_contract([ended])


def test_others_are_told_of_as_always() -> None:
    seen = together(stay(ANN, x=150.0, seconds=4.0), stay(POST, x=450.0, seconds=4.0))
    events = whole(tracker(), seen)
    assert sorted(told(events), key=str) == [("ended", "Ann"), ("ended", None), ("recognized", "Ann")]
    check_contract(events)


def test_others_are_not_told_to_look_like_him() -> None:
    events = whole(tracker(), stay(ANN, seconds=4.0))
    assert [event.person for event in events] == ["Ann", "Ann"]
    assert [event.runner_up for event in events] == [None, None]
    named = whole(tracker(ignored=frozenset()), stay(ANN, seconds=4.0))
    assert named[0].runner_up is not None and named[0].runner_up.person == "Postman"


def test_who_is_like_him_is_not_taken_for_a_stranger_and_not_for_another() -> None:
    """That is what he is enrolled for."""
    assert whole(tracker(), stay(like(POST, 0.8, 3), seconds=6.0))[0].reason == IGNORED


def test_a_stranger_who_turns_out_to_be_him_is_not_named_afterwards() -> None:
    visits = tracker()
    poor = [frame(one.captured_at - 1.7e9, *one.faces) for one in stay(like(POST, 0.35, 5), seconds=3.0, cosine=0.99)]
    assert told(play(visits, poor)) == [("unknown", None)]
    better = stay(POST, begin=3.2, seconds=12.0, cosine=0.99)
    events = play(visits, better) + visits.flush(1.8e9)
    assert [event.person for event in events] == [None] * len(events)
    assert [event.reason for event in events if event.visit_id == events[0].visit_id][-1] in (None, IGNORED)


def test_who_is_not_enrolled_cannot_be_ignored() -> None:
    assert known(frozenset({"Nobody", "Postman"})).ignored == {"Postman"}
    assert known().told == ("Ann",)


def test_another_list_counts_from_the_next_visit_on() -> None:
    visits = tracker(ignored=frozenset(), visit_gap=2.0)
    first = play(visits, stay(POST, seconds=2.0))
    visits.replace_recognizer(known())
    later = play(visits, stay(POST, begin=10.0, seconds=2.0)) + visits.flush(2e9)
    assert told(first + later) == [("recognized", "Postman"), ("ended", "Postman"), ("ended", None)]
    assert visits.state().last_person is None


def test_an_account_has_the_digest_of_who_is_ignored_so_that_forget_finds_it() -> None:
    event = whole(tracker(), stay(ANN, seconds=3.0))[0]
    assert event.account is not None and event.account.untold == ("", name_digest("Postman"))


def test_when_somebody_to_be_ignored_was_seen_is_not_known_either() -> None:
    visits = tracker()
    first = stay(POST, seconds=2.0, x=100.0)
    unsure = stay(like(POST, 0.36, 8), begin=2.6, seconds=2.2, x=500.0, cosine=0.99)
    sure = stay(like(POST, 0.75, 8), begin=5.0, seconds=5.0, x=500.0, cosine=0.99)
    play(visits, first)
    assert (visits.state().seen, visits.state().last_person) == ({}, None)
    events = play(visits, [*unsure, *sure])
    assert told(events) == [("unknown", None), ("ended", None)], "joined: the two are one"
    assert (visits.state().seen, visits.state().last_person) == ({}, None)
