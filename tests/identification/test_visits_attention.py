"""Visits where few faces are embedded: the same events as where all are, and no name that goes to somebody else."""

from dataclasses import replace

import pytest

from camwatch.identification.attention import NAMED_EVERY, UNKNOWN_EVERY, Attention
from camwatch.identification.evidence import Evidence, Gates
from camwatch.identification.visits import VisitTracker
from camwatch.records import Event, Settled
from tests.identification.scene import (
    START,
    attend,
    attended,
    check_contract,
    embedded,
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


def facts(events: list[Event]) -> list[tuple[object, ...]]:
    """All that may not depend on how many faces were embedded."""
    fields = ("event_id", "event_type", "person", "first_seen", "last_seen", "decided_at", "faces_seen", "reason")
    return [tuple(getattr(one, name) for name in fields) for one in events]


SCENES = {
    "alice": stay(ALICE, seconds=60),
    "stranger": stay(STRANGER, seconds=60),
    "two": together(stay(ALICE, seconds=30), stay(STRANGER, seconds=40, x=500)),
    "one after the other": stay(ALICE, seconds=8) + empty(8.2, 14) + stay(STRANGER, begin=14.2, seconds=8),
    "back again": stay(ALICE, seconds=8) + empty(8.2, 11) + stay(ALICE, begin=11.2, seconds=20),
    "turning away": stay(ALICE, seconds=4) + stay(ALICE, begin=4.2, seconds=30, cosine=0.6, turn=0.8),
    "always turned away": stay(STRANGER, seconds=20, turn=0.8),
    "always half turned": stay(STRANGER, seconds=30, turn=0.4),
    "half turned, then not": stay(STRANGER, seconds=10, turn=0.4) + stay(STRANGER, begin=10.2, seconds=5),
    "too small": stay(STRANGER, seconds=20, height=32),
    "too short": stay(STRANGER, seconds=0.4),
    "mostly turned away": [
        one
        for n in range(60)
        for one in stay(ALICE, begin=n / 5, seconds=0, cosine=0.7, turn=0.05 if n in (20, 40, 50) else 0.8)
    ],
}


@pytest.mark.parametrize(("batch", "late"), [(1, 0), (1, 2), (4, 1), (16, 0)])
@pytest.mark.parametrize("scene", SCENES)
def test_events_are_those_of_all_faces(scene: str, batch: int, late: float) -> None:
    events, seen = attended(tracker(), SCENES[scene], batch=batch, late=late)
    assert facts(events) == facts(whole(tracker(), SCENES[scene]))
    check_contract(events)
    faces = sum(len(one.faces) for one in seen)
    assert embedded(seen) < faces or faces < 10


def test_no_answer_costs_embeddings_and_nothing_else() -> None:
    events, seen = attended(tracker(), SCENES["alice"], late=float("inf"))
    assert facts(events) == facts(whole(tracker(), SCENES["alice"]))
    assert 60 < embedded(seen) < 90


def test_ten_minutes_are_one_visit_and_few_embeddings() -> None:
    two = together(stay(ALICE, seconds=600), stay(STRANGER, seconds=600, x=500))
    watch = tracker()
    events, seen = attended(watch, two)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]
    assert {event.last_seen for event in events[2:]} == {START + 600}
    assert {event.faces_seen for event in events[2:]} == {3001}
    assert embedded(seen) / len(seen) < 0.2


def test_faces_that_are_not_embedded_are_seen_and_not_used() -> None:
    watch = tracker()
    events, seen = attended(watch, stay(ALICE, seconds=20))
    assert events[-1].faces_seen == 101 and events[-1].faces_used == embedded(seen) < 20


def test_who_takes_a_settled_place_unnoticed_is_noticed_at_the_next_look() -> None:
    scene = stay(ALICE, seconds=30) + stay(
        STRANGER, begin=30.2, seconds=30
    )  # nothing but the embedding tells them apart
    events, _ = attended(tracker(), scene)
    check_contract(events)
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", "alice"), ("ended", None)]
    assert START + 30 <= events[2].last_seen <= START + 30 + NAMED_EVERY + 0.2
    assert events[3].first_seen <= START + 30 + NAMED_EVERY + 0.2
    assert events[2].visit_id != events[3].visit_id


def test_alice_in_a_strangers_place_gets_her_name() -> None:
    events, _ = attended(tracker(), stay(STRANGER, seconds=30) + stay(ALICE, begin=30.2, seconds=30))
    check_contract(events)
    assert told(events) == [("unknown", None), ("recognized", "alice"), ("ended", None), ("ended", "alice")]
    assert events[1].decided_at <= START + 30 + UNKNOWN_EVERY + 1.0


def test_a_cut_to_another_place_is_noticed_at_once() -> None:
    scene = stay(ALICE, seconds=10) + stay(BOB, begin=10.2, seconds=10, x=420)
    events, _ = attended(tracker(), scene)
    assert facts(events) == facts(whole(tracker(), scene))
    assert events[1].person == "bob" and events[1].decided_at == pytest.approx(START + 10.6)


@pytest.mark.parametrize("speed", [12.0, 40.0, 120.0])
def test_names_stay_with_people_who_cross(speed: float) -> None:
    scene = []
    for n in range(round(2 * 240 / speed * 5)):
        way, time = n / 5 * speed, n / 5
        alice = face(like(ALICE, 0.85, n), x=180 + way, height=90)
        scene.append(frame(time, alice, face(like(BOB, 0.85, 5000 + n), x=660 - way, height=90)))
    watch = tracker()
    events, seen = attended(watch, scene)
    check_contract(events)
    assert sorted(told(events)) == [
        ("ended", "alice"),
        ("ended", "bob"),
        ("recognized", "alice"),
        ("recognized", "bob"),
    ]
    right = {event.person: event.box[0] for event in events if event.event_type == "ended"}
    assert right["alice"] > right["bob"], "each name went on with the person, not with the place"
    assert embedded(seen) < 2 * len(seen)


def test_one_of_two_goes_behind_the_other_and_comes_out_again() -> None:
    scene = []
    for n in range(100):
        bob = face(like(BOB, 0.85, n), x=300)
        alice = face(like(ALICE, 0.85, 5000 + n), x=200 + (100 if n > 60 else 0) + (100 if n > 70 else 0))
        scene.append(frame(n / 5, *([bob] if 60 < n <= 70 else [alice, bob] if n <= 60 else [bob, alice])))
    events, _ = attended(tracker(), scene)
    assert sorted(told(events)) == [
        ("ended", "alice"),
        ("ended", "bob"),
        ("recognized", "alice"),
        ("recognized", "bob"),
    ]


def test_a_lookalike_beside_somebody_who_is_not_embedded_is_another_person() -> None:
    lookalike = like(ALICE, 0.62, seed=9)
    scene = together(stay(ALICE, seconds=30), stay(lookalike, begin=10.0, seconds=15, x=500, cosine=0.95))
    events, _ = attended(tracker(), scene)
    check_contract(events)
    assert facts(events) == facts(whole(tracker(), scene))
    assert [event.person for event in events if event.event_type == "ended"] == [None, "alice"]


def test_few_lucky_faces_among_many_poor_ones_are_no_name_where_the_poor_ones_are_not_embedded() -> None:
    events, seen = attended(tracker(), SCENES["mostly turned away"])
    assert told(events) == [("ended", None)] and embedded(seen) < 20


def test_another_inference_process_goes_on_with_the_visit_by_looks() -> None:
    scene = stay(ALICE, seconds=30)
    watch = tracker()
    events, _ = attend(watch, scene[:75], attention=Attention(first=1))
    second = Attention(first=10_000)
    second.settle("door", watch.settled())  # about followers that this life does not know
    more, seen = attend(watch, scene[75:], attention=second)
    assert facts(events + more + watch.flush(START + 30)) == facts(whole(tracker(), scene))
    assert not seen[0].faces[0].skipped and embedded(seen) < 20


def test_a_camera_switched_off_and_on_knows_nobody_by_an_old_follower() -> None:
    watch, attention = tracker(), Attention()
    attend(watch, stay(ALICE, seconds=4), attention=attention)
    assert told(watch.flush(START + 4)) == [("ended", "alice")]
    events, seen = attend(watch, stay(ALICE, begin=4.2, seconds=4), attention=attention)
    assert seen[0].faces[0].skipped, "inference did not hear of it"
    assert told(events) == [("recognized", "alice")]
    assert events[0].decided_at == pytest.approx(START + 5.0)


def test_only_who_has_proved_it_is_settled() -> None:
    watch, attention = tracker(), Attention()
    attend(watch, stay(ALICE, seconds=4), attention=attention)
    assert len(watch.settled().named) == 1
    poor = [frame(6.0 + n / 5, replace(face(None, turn=0.8), follow=77)) for n in range(4)]  # only its place speaks
    play(watch, poor)
    assert 77 not in watch.settled().named
    play(watch, [frame(6.8, replace(face(like(ALICE, 0.85, 1)), follow=77))])
    assert watch.settled() == Settled(named=frozenset({77}))


def test_two_faces_that_were_looked_at_make_a_visit_and_one_with_others_skipped_does_not() -> None:
    """A face that fails to look like its person, once, while nobody has told inference yet."""
    watch, attention = tracker(), Attention()
    attend(watch, stay(ALICE, seconds=4), attention=attention)
    [number] = watch.settled().named
    slip = replace(face(STRANGER), follow=number)
    after = [frame(4.4 + n / 5, replace(face(None), follow=number, skipped=True)) for n in range(3)]
    assert play(watch, [frame(4.2, slip), *after]) == []
    assert watch.settled() == Settled(), "she is to be looked at again"
    events = play(watch, stay(ALICE, begin=5.0, seconds=2)) + watch.flush(START + 7)
    assert told(events) == [("ended", "alice")]


def test_skipped_faces_prolong_a_visit_only_where_the_one_before_proved_it() -> None:
    scene = stay(ALICE, seconds=4, height=55) + stay(STRANGER, begin=4.2, seconds=30, height=38)  # too small to tell
    watch = tracker()
    events, seen = attend(watch, scene)
    assert sum(face.skipped for one in seen[30:] for face in one.faces) > 50
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    assert watch.state().seen == {"alice": START + 4.0}


def test_a_name_of_few_faces_and_a_stranger_who_is_nearly_like_alice_are_not_settled() -> None:
    watch = tracker()
    _, seen = attend(watch, stay(ALICE, seconds=4))
    assert [face.skipped for one in seen for face in one.faces][:9] == [False] * 8 + [True]
    watch = tracker()
    events, seen = attend(watch, stay(like(ALICE, KNOWN.limit().threshold - 0.08, seed=9), seconds=8, cosine=0.95))
    assert told(events) == [("unknown", None)] and watch.settled() == Settled()


def test_evidence_of_two_tracks_is_the_sum_of_both() -> None:
    looks, gates = like(ALICE, 0.9, 1), Gates()
    faces = [
        face(looks),
        face(looks, turn=0.4),
        face(looks, turn=0.8),
        replace(face(None, turn=0.8), follow=3, skipped=True),
        replace(face(looks), follow=4),
    ]
    one, other = Evidence(START, START), Evidence(START, START)
    for number, shown in enumerate(faces):
        for evidence in (one, other):
            evidence.add(shown, frame(number / 5), START + number / 5, gates)
    one.vouched = None
    one.merge(other)
    assert (one.seen, one.used, one.strong, one.poor, one.skipped, one.weak.total()) == (10, 6, 4, 4, 2, 2)
    assert one.vouched == 4


def test_a_name_that_the_visit_would_not_get_any_more_is_not_settled() -> None:
    watch = tracker()
    attend(watch, stay(ALICE, seconds=6))
    assert watch.settled().named
    watch.replace_recognizer(recognizer(alice=ALICE, bob=BOB, threshold=0.9999))
    assert not watch.settled().named
