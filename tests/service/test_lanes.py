"""Work in a few threads, its results in the owner's."""

import select
import threading

import pytest

from camwatch.service.lanes import MOST, Lanes, shares


def test_threads_are_shared_out_to_lanes():
    assert shares(1, 8) == (1, 1)
    assert shares(2, 8) == (2, 1)
    assert shares(2, 1) == (1, 2)
    assert shares(16, 8) == (MOST, 16 // MOST)
    assert shares(3, 2) == (2, 1)
    assert shares(None, 100)[0] >= 1


def test_a_container_that_is_granted_two_cores_of_many_gets_two_lanes(monkeypatch):
    monkeypatch.setattr("camwatch.service.lanes.cores", lambda: 2)
    assert shares(None, 8) == (2, 1)
    assert shares(None, 1) == (1, 2)
    assert shares(3, 8) == (3, 1), "what is asked for is given"


def test_results_come_to_the_owner_and_errors_with_them():
    lanes, here = Lanes(2), []

    def broken() -> int:
        raise ValueError("no")

    lanes.start(lambda: threading.current_thread().name, lambda done: here.append((done, threading.current_thread())))
    lanes.start(broken, lambda done: here.append((done, threading.current_thread())))
    assert lanes.free == 0
    lanes.drain(20.0)
    assert lanes.free == 2
    assert {thread for _, thread in here} == {threading.current_thread()}
    (first, _), (second, _) = here
    assert first.result().startswith("lane")
    with pytest.raises(ValueError, match="no"):
        second.result()


def test_the_end_of_work_wakes_the_owner():
    lanes, go = Lanes(2), threading.Event()
    lanes.start(lambda: go.wait(20.0), lambda done: None)
    assert lanes.longest(now=float("inf")) > 0
    lanes.finish()
    assert lanes.free == 1
    go.set()
    ready, _, _ = select.select([lanes.wake_fd], [], [], 20.0)
    assert ready
    lanes.drain(20.0)
    assert lanes.free == 2
    assert lanes.longest(now=1e9) == 0


def test_one_lane_is_waited_for():
    lanes, done = Lanes(1), []
    lanes.start(lambda: done.append("work"), lambda future: done.append("then"))
    assert done == ["work"]
    lanes.finish()
    assert done == ["work", "then"]
