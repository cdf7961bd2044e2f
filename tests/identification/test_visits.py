import itertools

import numpy as np
import pytest

from camwatch.identification.visits import VisitTracker
from camwatch.records import Embedding, EventType, Observation
from tests.identification.scene import (
    START,
    check_contract,
    empty,
    enrolled,
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


def approach(view: Embedding, who: Embedding, *, begin: float) -> list[Observation]:
    """Ten faces whose looks change from a view of somebody to that person's usual ones."""
    seen = []
    for step in range(10):
        between = ((10 - step) * view + step * who) / np.linalg.norm((10 - step) * view + step * who)
        seen += stay(between, begin=begin + step * 0.2, seconds=0, x=500, cosine=0.9)
    return seen


def test_a_known_person_is_recognized_once_and_ended_once() -> None:
    events = play(tracker(), stay(ALICE, seconds=4) + empty(4.2, 12))
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    check_contract(events)
    first, last = events
    assert first.visit_id == last.visit_id and first.event_id != last.event_id
    assert first.decided_at == START + 0.4 and first.faces_used == first.faces_seen == 3
    assert first.captured_monotonic == pytest.approx(0.4)
    assert first.score is not None and 0.85 < first.score < 1.0
    assert first.runner_up is not None and first.runner_up.person == "bob" and first.runner_up.score < 0.3
    assert (first.threshold, first.false_alarm_rate) == (KNOWN.limit().threshold, 0.01)
    assert first.box == pytest.approx((260 / 640, 150 / 480, 340 / 640, 250 / 480))
    assert (last.first_seen, last.last_seen) == (START, START + 4.0)
    assert last.decided_at == pytest.approx(START + 9.2, abs=0.01) and last.faces_used == 21
    assert last.score is not None and last.score > first.score, "the mean of many is nearer to the person"


def test_a_stranger_is_unknown_once_and_ended_without_a_name() -> None:
    events = play(tracker(), stay(STRANGER, seconds=6) + empty(6.2, 12))
    assert told(events) == [("unknown", None), ("ended", None)]
    check_contract(events)
    assert START + 1.0 <= events[0].decided_at <= START + 1.5
    assert events[0].score is not None and events[0].score < 0.3
    assert events[1].reason is None


@pytest.mark.parametrize(
    ("reason", "faces"),
    [
        ("too_small", {"height": 22.0}),
        ("blurred", {"sharpness": 3.0}),
        ("turned_away", {"turn": 0.8}),
        ("too_short", {"seconds": 0.4}),
    ],
)
def test_a_visit_without_evidence_ends_with_the_reason(reason: str, faces: dict[str, float]) -> None:
    seen = stay(STRANGER, **{"seconds": 3.0, **faces})  # type: ignore[arg-type]
    events = play(tracker(), seen + empty(3.2, 9))
    assert told(events) == [("ended", None)]
    assert events[0].reason == reason
    check_contract(events)


@pytest.mark.parametrize("faces", [{"height": 22.0}, {"sharpness": 3.0}, {"turn": 0.8}, {"height": 29.9}])
def test_poor_faces_name_nobody_however_alike(faces: dict[str, float]) -> None:
    events = whole(tracker(min_face=10.0), stay(ALICE, seconds=5, cosine=0.95, **faces))
    assert told(events) == [("ended", None)]


def test_small_faces_count_only_where_the_camera_allows_it() -> None:
    seen = stay(ALICE, seconds=3, height=34.0)
    assert told(whole(tracker(min_face=40.0), seen)) == [("ended", None)]
    assert told(whole(tracker(min_face=30.0), seen)) == [("recognized", "alice"), ("ended", "alice")]
    strangers = stay(STRANGER, seconds=6, height=34.0)
    events = whole(tracker(min_face=30.0), strangers)
    assert told(events) == [("ended", None)], "small faces may be named, but do not speak for a stranger"
    assert events[0].reason == "too_small"


def test_two_good_faces_are_not_yet_a_name() -> None:
    assert told(whole(tracker(), stay(ALICE, seconds=0.2))) == [("ended", None)]


@pytest.mark.parametrize("lucky", [0, 5, 11])
def test_one_lucky_face_among_eleven_of_a_stranger_is_no_name(lucky: int) -> None:
    faces = [like(STRANGER, 0.8, number) for number in range(12)]
    faces[lucky] = (0.75 * ALICE + 0.6 * STRANGER).astype(np.float32)  # alike enough to stay in the track
    faces[lucky] /= np.linalg.norm(faces[lucky])
    assert float(faces[lucky] @ ALICE) > KNOWN.limit().threshold
    seen = [frame(number * 0.2, face(one)) for number, one in enumerate(faces)]
    events = whole(tracker(), seen)
    assert told(events) == [("unknown", None), ("ended", None)]
    check_contract(events)


def test_a_few_lucky_faces_among_many_poor_ones_are_no_name() -> None:
    seen = []
    for number in range(40):
        good = number in (10, 20, 30)
        one = face(like(ALICE, 0.8 if good else 0.5, number), sharpness=80.0 if good else 2.0)
        seen.append(frame(number * 0.2, one))
    events = whole(tracker(), seen)
    assert [event.person for event in events] == [None]


def test_unknown_may_become_recognized_but_never_the_reverse() -> None:
    view = like(ALICE, 0.42, seed=1)  # as she looks from there
    far = stay(view, seconds=2, height=45.0, x=500)
    near = stay(ALICE, begin=4.2, seconds=4, cosine=0.9, x=500)
    tired = stay(view, begin=8.4, seconds=20, x=500)
    events = play(tracker(), far + approach(view, ALICE, begin=2.2) + near + tired + empty(28.6, 35))
    assert told(events) == [("unknown", None), ("recognized", "alice"), ("ended", "alice")]
    assert len({event.visit_id for event in events}) == 1
    check_contract(events)
    assert events[2].score is not None and events[2].score < KNOWN.limit().threshold + 0.2


def test_a_person_between_two_people_is_neither() -> None:
    between = (ALICE + BOB) / np.linalg.norm(ALICE + BOB)
    events = whole(tracker(), [frame(number * 0.2, face(between)) for number in range(10)])
    assert told(events) == [("ended", None)]
    assert events[0].score is not None and events[0].score > KNOWN.limit().threshold
    assert events[0].reason == "ambiguous"


def test_gone_for_less_than_the_gap_is_the_same_visit_and_for_more_is_another() -> None:
    first, second = stay(ALICE, seconds=2), stay(ALICE, begin=6.8, seconds=2, x=500)
    events = whole(tracker(), first + empty(2.2, 6.6) + second)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")] and events[1].faces_used == 22
    late = stay(ALICE, begin=7.2, seconds=2, x=500)
    events = whole(tracker(), first + empty(2.2, 7.0) + late)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")] * 2
    assert events[0].visit_id == events[1].visit_id != events[2].visit_id
    check_contract(events)


def test_the_gap_is_the_users() -> None:
    seen = stay(ALICE, seconds=2) + empty(2.2, 4.0) + stay(ALICE, begin=4.2, seconds=2)
    assert len(whole(tracker(visit_gap=1.0), seen)) == 4
    assert len(whole(tracker(visit_gap=60.0), seen)) == 2


def test_a_stranger_who_comes_back_soon_is_the_same_visit() -> None:
    seen = stay(STRANGER, seconds=2) + empty(2.2, 5.0) + stay(STRANGER, begin=5.2, seconds=2, x=560)
    events = whole(tracker(), seen)
    assert told(events) == [("unknown", None), ("ended", None)]


def test_two_people_at_once_are_two_visits() -> None:
    seen = together(stay(ALICE, x=150), stay(STRANGER, x=450))
    events = whole(tracker(), seen)
    assert sorted(told(events)[:2]) == [("recognized", "alice"), ("unknown", None)]
    assert len(events) == 4
    check_contract(events)


def test_one_person_in_two_visits_is_named_once() -> None:
    """Two views so different that they begin as two visits, until both turn out to be Alice."""
    odd = (0.7 * ALICE + 0.71 * OTHER).astype(np.float32)
    plain = (0.7 * ALICE - 0.71 * OTHER).astype(np.float32)
    odd, plain = odd / np.linalg.norm(odd), plain / np.linalg.norm(plain)
    assert abs(float(odd @ plain)) < 0.1
    first = [frame(step * 0.2, face(odd, x=150)) for step in range(5)]
    second = [frame(1.0 + step * 0.2, face(plain, x=500)) for step in range(10)]
    events = whole(tracker(), first + second)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    assert events[1].faces_used == 15
    check_contract(events)


def test_an_unknown_visit_that_turns_out_to_be_a_present_person_ends_silently() -> None:
    view = like(ALICE, 0.42, seed=1)
    far = stay(view, begin=2.2, seconds=2.8, x=500)  # she went where she looks like this
    seen = stay(ALICE, seconds=2, x=150) + far + approach(view, ALICE, begin=5.2)
    events = whole(tracker(visit_gap=20.0), seen + stay(ALICE, begin=7.2, seconds=3, x=500))
    assert told(events) == [("recognized", "alice"), ("unknown", None), ("ended", None), ("ended", "alice")]
    assert events[3].faces_used == len(seen) + 16
    check_contract(events)


def test_an_undecided_visit_joins_one_that_looks_the_same() -> None:
    short = stay(STRANGER, seconds=0.4, x=100, cosine=0.72)
    elsewhere = stay(STRANGER, begin=1.0, seconds=3, x=560, cosine=0.72)  # single faces are not alike enough to join
    events = whole(tracker(), short + elsewhere)
    assert told(events) == [("unknown", None), ("ended", None)]
    assert events[1].first_seen == START


def test_a_single_face_is_no_visit() -> None:
    assert whole(tracker(), [frame(0.0, face(person(9))), *empty(0.2, 8)]) == []


def test_advance_ends_visits_when_no_frames_come() -> None:
    watch = tracker()
    play(watch, stay(ALICE, seconds=2))
    assert watch.advance(START + 6.9) == [] and watch.advance(START) == []
    [event] = watch.advance(START + 7.1)
    assert (event.event_type, event.person, event.captured_monotonic) == (EventType.ENDED, "alice", None)
    assert event.decided_at == START + 7.1 and event.last_seen == START + 2.0
    assert watch.advance(START + 100) == [] and watch.flush(START + 100) == []


def test_flush_ends_what_is_open() -> None:
    watch = tracker()
    play(watch, together(stay(ALICE, x=150), stay(STRANGER, x=450)))
    assert [event.event_type for event in watch.flush(START + 2)] == [EventType.ENDED] * 2
    assert watch.state().visits == 0
    assert told(play(watch, stay(ALICE, begin=3))) == [("recognized", "alice")], "it goes on after it"


@pytest.mark.parametrize("jump", [-3600.0, -2.0, 3600.0])
def test_a_jump_of_the_clock_ends_visits_and_begins_new_ones(jump: float) -> None:
    seen = stay(ALICE, begin=10_000, seconds=2) + stay(ALICE, begin=10_002 + jump, seconds=2)
    events = whole(tracker(), seen)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")] * 2
    check_contract(events)


def test_frames_slightly_out_of_order_or_at_one_time_are_taken_as_they_come() -> None:
    seen = stay(ALICE, seconds=2)
    seen[4], seen[5] = seen[5], seen[4]
    events = whole(tracker(), [*seen, *seen[-3:]])
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    check_contract(events)


@pytest.mark.parametrize("fps", [1.0, 2.0, 12.5, 25.0])
def test_decisions_do_not_depend_on_the_frame_rate(fps: float) -> None:
    events = whole(tracker(), stay(ALICE, seconds=6, fps=fps) + stay(STRANGER, begin=20, seconds=8, fps=fps))
    assert told(events) == [("recognized", "alice"), ("ended", "alice"), ("unknown", None), ("ended", None)]
    if fps > 5:
        assert events[0].decided_at - START >= 0.2, "many faces of one instant are one piece of evidence"
        assert events[2].decided_at - START >= 21.0


def test_the_same_observations_give_the_same_events() -> None:
    seen = together(stay(ALICE, x=150), stay(STRANGER, x=450))
    one, other = whole(tracker(), seen), whole(tracker(), seen)
    assert [(event.event_id, event.visit_id) for event in one] == [(event.event_id, event.visit_id) for event in other]
    elsewhere = VisitTracker("yard", KNOWN, node="nvr")
    assert not {event.visit_id for event in whole(elsewhere, seen)} & {event.visit_id for event in one}


def test_state_tells_who_is_there() -> None:
    watch = tracker()
    assert (watch.state().present, watch.state().last_person) == ((), None)
    play(watch, together(stay(ALICE, x=120), stay(STRANGER, x=320), stay(BOB, x=520)))
    state = watch.state()
    assert (state.camera, state.present, state.unknown_count, state.visits) == ("door", ("alice", "bob"), 1, 3)
    assert state.seen == {"alice": START + 2.0, "bob": START + 2.0}
    watch.advance(START + 60)
    state = watch.state()
    assert (state.present, state.unknown_count, state.visits) == ((), 0, 0)
    assert state.last_person in ("alice", "bob") and state.last_seen == START + 2.0


def test_faces_of_the_latest_frame_carry_what_is_known_of_them() -> None:
    watch = tracker()
    distant = stay(None, begin=1.6, seconds=0.4, x=520, height=20)
    play(watch, together(stay(ALICE, x=120), stay(STRANGER, x=320), distant))
    alice, stranger, tiny = sorted(watch.faces(), key=lambda one: one.box.x1)
    assert (alice.person, alice.unknown) == ("alice", False) and alice.score is not None and alice.score > 0.8
    assert (stranger.person, stranger.unknown) == (None, True)
    assert (tiny.person, tiny.unknown, tiny.score) == (None, False, None)
    assert len({alice.track, stranger.track, tiny.track}) == 3
    watch.observe(frame(2.2))
    assert watch.faces() == []


def test_who_is_enrolled_during_a_visit_is_recognized() -> None:
    watch = tracker()
    assert told(play(watch, stay(STRANGER, seconds=3))) == [("unknown", None)]
    watch.replace_recognizer(recognizer(alice=ALICE, bob=BOB, carol=STRANGER))
    events = play(watch, stay(STRANGER, begin=3.2, seconds=1))
    assert told(events) == [("recognized", "carol")] and events[0].seq == 2


def test_who_is_forgotten_keeps_the_name_of_an_open_visit_and_nothing_else() -> None:
    watch = tracker()
    play(watch, stay(ALICE, seconds=2))
    watch.replace_recognizer(recognizer(bob=BOB))
    assert (watch.state().last_person, watch.state().seen) == (None, {})
    more = play(watch, stay(ALICE, begin=2.2, seconds=1))
    assert more == [] and watch.state().seen == {}
    [ended] = watch.flush(START + 4)
    assert (ended.event_type, ended.person, ended.score) == (EventType.ENDED, "alice", None)
    assert ended.runner_up is not None and ended.runner_up.person == "bob", "from the gallery of now"
    assert ended.threshold == recognizer(bob=BOB).limit().threshold


def test_what_ended_says_comes_from_one_search() -> None:
    watch = tracker()
    play(watch, stay(BOB, seconds=2))
    watch.replace_recognizer(recognizer(bob=BOB, carol=OTHER, threshold=0.6))
    [ended] = watch.flush(START + 4)
    assert ended.runner_up is not None and ended.runner_up.person == "carol", "alice was forgotten"
    assert (ended.person, ended.threshold, ended.false_alarm_rate) == ("bob", 0.6, None)
    assert ended.score is not None and ended.score > 0.9


def test_a_cameras_own_threshold_and_rate_win() -> None:
    seen = stay(ALICE, seconds=3, cosine=0.62)
    assert told(whole(tracker(threshold=0.99), seen))[0] == ("unknown", None)
    [event, _] = whole(tracker(threshold=0.3), seen)
    assert (event.person, event.threshold, event.false_alarm_rate) == ("alice", 0.3, None)
    [event, _] = whole(tracker(false_alarm_rate=0.001), seen)
    assert event.threshold > KNOWN.limit().threshold and event.false_alarm_rate == 0.001
    [event, _] = whole(tracker(false_alarm_rate=0.001, threshold=0.4), seen)
    assert (event.threshold, event.false_alarm_rate) == (0.4, None)


def test_with_nobody_enrolled_everybody_is_unknown() -> None:
    events = whole(VisitTracker("door", recognizer(), node="nvr"), stay(ALICE, seconds=3))
    assert told(events) == [("unknown", None), ("ended", None)]
    assert (events[0].score, events[0].runner_up) == (None, None)
    check_contract(events)


def test_the_chip_is_of_the_best_usable_face() -> None:
    chips = [np.full((160, 160, 3), shade, np.uint8) for shade in range(4)]
    scores = (0.5, 0.8, 0.99, 0.7)
    turns = (0.1, 0.1, 0.9, 0.1)  # the best score is of a face that cannot be used
    seen: list[Observation] = [
        frame(number * 0.2, face(like(ALICE, 0.85, number), score=score, turn=turn, chip=chip))
        for number, (score, turn, chip) in enumerate(zip(scores, turns, chips, strict=True))
    ]
    last = whole(tracker(), seen)[-1]
    assert last.chip is chips[1] and last.quality == 0.8


def test_a_crowd_keeps_memory_bounded_and_the_contract() -> None:
    watch = tracker()
    events = []
    for step in range(60):
        crowd = [
            face(like(person(1000 + step * 7 + n), 0.9, step), x=20 + 15 * n, y=40 + 110 * (n % 4), height=41 + n % 9)
            for n in range(40)
        ]
        events += watch.observe(frame(step * 0.2, *crowd))
        assert watch.state().visits <= 64
    check_contract(events + watch.flush(START + 60))


def test_visits_of_many_people_one_after_another_each_end_once() -> None:
    seen = list(itertools.chain.from_iterable(stay(person(50 + n), begin=3.0 * n, seconds=2) for n in range(10)))
    events = whole(tracker(), seen)
    check_contract(events)
    assert told(events).count(("unknown", None)) == 10 and told(events).count(("ended", None)) == 10


def test_enrolled_people_are_the_only_ones_named() -> None:
    people = {f"p{number}": person(200 + number) for number in range(30)}
    watch = VisitTracker("door", recognizer(**people), node="nvr")
    assert len(enrolled(**people)) == 30
    seen = list(itertools.chain.from_iterable(stay(person(200 + n), begin=10.0 * n, seconds=2) for n in range(40)))
    names = [event.person for event in whole(watch, seen) if event.event_type is EventType.RECOGNIZED]
    assert names == list(people)
