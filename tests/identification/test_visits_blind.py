"""What could not be seen for a fault of ours says nothing about who was there."""

from camwatch.identification.visits import VisitTracker
from tests.identification.scene import START, check_contract, empty, person, play, recognizer, stay, told

ALICE = person(1)


def tracker() -> VisitTracker:
    return VisitTracker("door", recognizer(alice=ALICE), node="nvr", visit_gap=2.0)


def test_blindness_of_ours_does_not_split_a_visit() -> None:
    door = tracker()
    events = play(door, stay(ALICE, seconds=2))
    door.excuse(START + 9.0)
    events += play(door, stay(ALICE, begin=9.0, seconds=1))
    assert told(events) == [("recognized", "alice")]
    events += door.advance(START + 12.5)
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    check_contract(events)


def test_who_left_while_we_were_blind_is_ended_a_gap_later() -> None:
    door = tracker()
    events = play(door, stay(ALICE, seconds=2))
    door.excuse(START + 9.0)
    events += play(door, empty(9.0, 10.9))
    assert told(events) == [("recognized", "alice")]
    events += play(door, empty(11.2, 12))
    assert told(events) == [("recognized", "alice"), ("ended", "alice")]
    assert events[-1].last_seen == START + 2.0
