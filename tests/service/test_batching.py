"""Which pictures make a batch: all where they fit, the newest of each camera where they do not."""

from camwatch.service.batching import Take, choose


def test_all_waiting_pictures_are_taken_where_they_fit():
    takes = choose({"a": range(3, 5), "b": range(0, 1)}, max_batch=4, slots=4)
    assert takes == [Take("a", 3), Take("a", 4), Take("b", 0)]


def test_nothing_waiting_gives_nothing():
    assert choose({"a": range(3, 3)}, max_batch=4, slots=4) == []
    assert choose({}, max_batch=4, slots=4) == []


def test_overload_takes_the_newest_of_each_camera():
    waiting = {c: range(0, 4) for c in "abcde"}
    assert choose(waiting, max_batch=8, slots=4) == [Take(c, 3) for c in "abcde"]


def test_turns_rotate_so_that_rates_fall_evenly():
    waiting = {c: range(0, 4) for c in "abcde"}
    count = dict.fromkeys("abcde", 0)
    for turn in range(10):
        takes = choose(waiting, max_batch=2, slots=4, first=turn)
        assert len(takes) == 2
        for take in takes:
            count[take.camera] += 1
    assert set(count.values()) == {4}


def test_a_recording_gives_its_oldest_and_loses_none():
    waiting = {"live": range(0, 4), "file": range(10, 14)}
    takes = choose(waiting, max_batch=3, slots=4, lossless={"file"})
    assert takes == [Take("live", 3), Take("file", 10), Take("file", 11)]


def test_numbers_already_overwritten_are_not_asked_for():
    assert choose({"a": range(0, 100)}, max_batch=8, slots=4) == [Take("a", i) for i in range(96, 100)]
