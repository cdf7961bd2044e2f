"""Which pictures make a batch: all where they fit, the newest of each camera where they do not."""

from collections import Counter

from camwatch.service.batching import BatchSize, Take, choose


def test_all_waiting_pictures_are_taken_where_they_fit():
    takes = choose({"a": range(3, 5), "b": range(0, 1)}, max_batch=4, slots=4, last_served={})
    assert takes == [Take("a", 3), Take("a", 4), Take("b", 0)]


def test_nothing_waiting_gives_nothing():
    assert choose({"a": range(3, 3)}, max_batch=4, slots=4, last_served={}) == []
    assert choose({}, max_batch=4, slots=4, last_served={}) == []


def test_overload_takes_the_newest_of_each_camera():
    waiting = {c: range(0, 4) for c in "abcde"}
    assert choose(waiting, max_batch=8, slots=4, last_served={}) == [Take(c, 3) for c in "abcde"]


def test_no_camera_waits_longer_than_the_others():
    cameras = [f"camera {number}" for number in range(30)]
    served: dict[str, int] = {}
    last: dict[str, int] = {}
    count: Counter[str] = Counter()
    longest = serial = 0
    for turn in range(100):
        # Some have no picture at some turns, so that the order of those present changes.
        waiting = {c: range(0, 4) for number, c in enumerate(cameras) if (turn + number) % 7}
        takes = choose(waiting, max_batch=16, slots=4, last_served=served)
        assert len(takes) == 16
        for take in takes:
            serial += 1
            served[take.camera] = serial
            longest = max(longest, turn - last.get(take.camera, -1))
            last[take.camera] = turn
            count[take.camera] += 1
    assert len(served) == 30
    assert longest <= 4
    assert max(count.values()) - min(count.values()) <= 3


def test_a_recording_gives_its_oldest_and_loses_none():
    waiting = {"live": range(0, 4), "file": range(10, 14)}
    takes = choose(waiting, max_batch=3, slots=4, last_served={}, lossless={"file"})
    assert takes == [Take("live", 3), Take("file", 10), Take("file", 11)]


def test_numbers_already_overwritten_are_not_asked_for():
    takes = choose({"a": range(0, 100)}, max_batch=8, slots=4, last_served={})
    assert takes == [Take("a", i) for i in range(97, 100)]  # the slot of 96 is the next to be written to
    takes = choose({"a": range(0, 100)}, max_batch=8, slots=4, last_served={}, lossless={"a"})
    assert takes == [Take("a", i) for i in range(96, 100)]


def test_a_burst_is_worked_off_oldest_first_and_loses_nothing():
    waiting = {c: range(5, 7) for c in "abc"}
    served = {"a": 3, "b": 1, "c": 2}
    taken = []
    for _ in range(2):
        takes = choose(waiting, max_batch=4, backlog=6, slots=4, last_served=served)
        for take in takes:
            assert take.index == waiting[take.camera].start
            waiting[take.camera] = waiting[take.camera][1:]
            served[take.camera] = len(taken) + 4
            taken.append((take.camera, take.index))
    assert taken == [("b", 5), ("b", 6), ("c", 5), ("c", 6), ("a", 5), ("a", 6)]


def test_more_than_the_backlog_is_overload():
    waiting = {c: range(5, 7) for c in "abcd"}
    takes = choose(waiting, max_batch=4, backlog=7, slots=4, last_served={})
    assert takes == [Take(c, 6) for c in "abcd"]


def test_a_recording_whose_ring_is_always_full_is_no_overload():
    waiting = {"live": range(0, 2), "file": range(10, 14)}
    takes = choose(waiting, max_batch=3, backlog=3, slots=4, last_served={}, lossless={"file"})
    assert takes == [Take("live", 0), Take("live", 1), Take("file", 10)]


def test_a_batch_is_as_large_as_fits_its_time():
    size = BatchSize(16, seconds=1.0, guess=0.5)
    assert size.frames == 2
    for _ in range(30):
        size.worked(2, 0.1)
    assert size.frames == 16
    size.worked(1, 2.9)
    assert size.frames == 1
    for _ in range(3):
        size.worked(1, 0.05)
    assert size.frames == 1
    for _ in range(30):
        size.worked(1, 0.05)
    assert size.frames == 16


def test_failures_halve_a_batch_and_success_brings_it_back():
    size = BatchSize(16, guess=0.01)
    size.failed()
    assert size.frames == 8
    for _ in range(5):
        size.failed()
    assert size.frames == 1
    for _ in range(20):
        size.worked(1, 0.01)
    assert size.frames == 16


def test_the_backlog_is_what_is_done_in_time_and_hardly_shrinks_by_one_slow_batch():
    size = BatchSize(16, lanes=2, seconds=0.25, patience=0.5, guess=0.05)
    assert (size.frames, size.backlog) == (5, 20)
    size.worked(1, 0.25)
    assert (size.frames, size.backlog) == (1, 11)
    for _ in range(30):
        size.worked(1, 0.5)
    assert size.backlog == 2
