"""The auditor finds what it is there for."""

from dataclasses import replace

from tests.faults.audit import Decided, Named, Stay, audit

PEOPLE = {"door": "Sam", "yard": None}


def event(number: int, camera: str = "door", kind: str = "recognized") -> Decided:
    return Decided(f"e{number}", f"v{number}", kind, camera, PEOPLE[camera])


EVENTS = [event(1), event(2, "yard", "unknown"), event(3), event(4, "yard", "ended")]
NAMED = [Named("door", "Sam", 101.0), Named("yard", None, 102.0)]
STAYS = [Stay("door", "Sam", 100.0, 105.0), Stay("yard", None, 100.0, 105.0)]


def test_a_good_run_is_clean() -> None:
    found = audit(EVENTS, [*EVENTS, EVENTS[0]], NAMED, STAYS, PEOPLE, [(50.0, 90.0)])
    assert found.clean
    assert (found.decided, found.arrived, found.again, found.undisturbed, found.missed) == (4, 4, 1, 2, ())


def test_losses_and_inventions_are_found() -> None:
    found = audit(EVENTS, [*EVENTS[1:], event(9)], NAMED, STAYS, PEOPLE, [])
    assert (found.lost, found.invented, found.clean) == (("e1",), ("e9",), False)


def test_the_order_counts_within_a_camera_and_by_first_arrivals() -> None:
    first, yard, third, ended = EVENTS
    assert audit(EVENTS, [yard, first, ended, third, first], NAMED, STAYS, PEOPLE, []).disorder == ()
    assert audit(EVENTS, [third, first, yard, ended], NAMED, STAYS, PEOPLE, []).disorder == ("e1",)


def test_one_decision_under_two_ids_is_found() -> None:
    twin = replace(EVENTS[0], event_id="e1b")
    found = audit([*EVENTS, twin], [*EVENTS, twin], NAMED, STAYS, PEOPLE, [])
    assert found.doubled == (("v1", "recognized"),)


def test_wrong_names_are_found() -> None:
    wrong = Named("yard", "Sam", 102.0)
    assert audit(EVENTS, EVENTS, [*NAMED, wrong], STAYS, PEOPLE, []).wrong_names == (wrong,)


def test_stays_count_as_missed_only_where_no_fault_was_near() -> None:
    found = audit(EVENTS, EVENTS, NAMED[:1], STAYS, PEOPLE, [])
    assert (found.undisturbed, found.missed) == (2, (STAYS[1],))
    disturbed = audit(EVENTS, EVENTS, NAMED[:1], STAYS, PEOPLE, [(106.0, 108.0)])
    assert (disturbed.undisturbed, disturbed.missed) == (0, ())
