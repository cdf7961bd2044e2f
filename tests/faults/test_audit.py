"""The auditor finds what it is there for."""

from dataclasses import replace

from tests.faults.audit import Decided, Found, Named, Row, Stay, Trouble, audit

PEOPLE = {"door": "Sam", "yard": None}
ALL = frozenset(PEOPLE)


def event(number: int, camera: str = "door", kind: str = "recognized") -> Decided:
    return Decided(f"e{number}", f"v{number}", kind, camera, PEOPLE[camera], 100.0 + number, 100.5 + number)


EVENTS = [event(1), event(2, "yard", "unknown"), event(3), event(4, "yard", "ended")]
NAMED = [Named("door", "Sam", 101.0, 104.0), Named("yard", None, 102.0, 104.0)]
STAYS = [Stay("door", "Sam", 100.0, 105.0), Stay("yard", None, 100.0, 105.0)]
GOOD = Found(EVENTS, EVENTS, NAMED, STAYS, PEOPLE)


def test_a_good_run_is_clean() -> None:
    before = Trouble("old", 50.0, 90.0, ALL)
    found = audit(replace(GOOD, arrived=[*EVENTS, EVENTS[0]], troubles=[before]))
    assert found.clean
    assert (found.decided, found.arrived, found.again, found.visible, found.missed) == (4, 4, 1, 2, ())


def test_losses_and_inventions_are_found() -> None:
    found = audit(replace(GOOD, arrived=[*EVENTS[1:], event(9)]))
    assert (found.lost, found.invented, found.clean) == (("e1",), ("e9",), False)


def test_the_order_counts_within_a_camera_and_by_first_arrivals() -> None:
    first, yard, third, ended = EVENTS
    assert audit(replace(GOOD, arrived=[yard, first, ended, third, first])).disorder == ()
    assert audit(replace(GOOD, arrived=[third, first, yard, ended])).disorder == ("e1",)


def test_two_daemons_have_an_order_each() -> None:
    first, yard, third, ended = EVENTS
    other = replace(third, source=1)
    found = audit(replace(GOOD, decided=[first, yard, other, ended], arrived=[other, first, yard, ended]))
    assert found.disorder == ()


def test_one_decision_under_two_ids_is_found() -> None:
    twin = replace(EVENTS[0], event_id="e1b")
    found = audit(replace(GOOD, decided=[*EVENTS, twin], arrived=[*EVENTS, twin]))
    assert found.doubled == (("v1", "recognized"),)


def test_wrong_names_are_found() -> None:
    wrong = Named("yard", "Sam", 102.0, 104.0)
    assert audit(replace(GOOD, named=[*NAMED, wrong])).wrong_names == (wrong,)


def test_stays_count_as_missed_only_where_no_fault_hid_them() -> None:
    seen = replace(GOOD, named=NAMED[:1])
    assert (audit(seen).visible, audit(seen).missed) == (2, (STAYS[1],))
    hidden = audit(replace(seen, troubles=[Trouble("all", 106.0, 108.0, ALL)]))
    assert (hidden.visible, hidden.missed) == (0, ())
    other_camera = audit(replace(seen, troubles=[Trouble("camera", 106.0, 108.0, frozenset({"door"}))]))
    assert (other_camera.visible, other_camera.missed) == (1, (STAYS[1],))


def test_a_visit_that_went_on_through_a_fault_tells_of_two_stays() -> None:
    again = Stay("door", "Sam", 114.0, 119.0)
    apart = audit(replace(GOOD, stays=[*STAYS, again]))
    assert apart.missed == (again,)
    bridged = audit(replace(GOOD, stays=[*STAYS, again], named=[replace(NAMED[0], last_seen=118.0), NAMED[1]]))
    assert bridged.missed == ()


def test_a_broker_that_is_killed_may_forget_what_it_took_just_before_and_no_more() -> None:
    found = audit(replace(GOOD, arrived=EVENTS[2:], broker_killed=[102.6]))
    assert (found.forgotten, found.lost) == (("e2",), ("e1",))
    waiting = replace(EVENTS[1], acknowledged_at=None)
    again = audit(replace(GOOD, decided=[EVENTS[0], waiting, *EVENTS[2:]], arrived=EVENTS[2:], broker_killed=[102.6]))
    assert again.lost == ("e1", "e2")


def test_what_was_in_a_damaged_database_is_told_apart() -> None:
    found = audit(replace(GOOD, arrived=EVENTS[1:], destroyed={"e1"}))
    assert (found.destroyed, found.lost) == (("e1",), ())


def test_each_kind_of_fault_has_its_own_figures() -> None:
    broker = Trouble("broker", 102.5, 110.0, frozenset())
    camera = Trouble("camera", 100.5, 103.5, frozenset({"door"}))
    arrived = [EVENTS[3], EVENTS[1], EVENTS[0], EVENTS[0]]
    found = audit(replace(GOOD, arrived=arrived, named=NAMED[:1], troubles=[broker, camera]))
    assert found.missed == (STAYS[1],)
    # Events 3 and 4, and the stay in the yard that nobody told of; event 3 never came.
    assert found.rows["broker"] == Row(expected=3, arrived=1, again=0, disorder=0)
    # Events 1, 2 and 3, and that stay; 1 came twice, 2 after the later one of its camera.
    assert found.rows["camera"] == Row(expected=4, arrived=2, again=1, disorder=1)
