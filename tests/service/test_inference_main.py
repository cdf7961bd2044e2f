"""The inference loop on a real ring with an analyzer that can be made to fail: every frame keeps its account."""

import os
import select
import threading
import time

import numpy as np
import pytest

from camwatch.records import Settled
from camwatch.service.batching import BatchSize
from camwatch.service.inference_main import FAILURES
from camwatch.service.messages import observation_from, settled_message
from tests.rigs.counting import SlowNumber, side_by_side
from tests.rigs.inference import write
from tests.rigs.planes import grey


def test_frames_of_all_cameras_come_out_as_observations_in_order(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=2)
    write(rings, bell, "front", 2)
    write(rings, bell, "garden", 1)
    inference.run()
    assert worker.kinds() == ["ready", "observation", "observation", "observation"]
    seen = [observation_from(m) for m in worker.sent[1:]]
    assert [(o.camera, o.seq) for o in seen] == [("front", 0), ("front", 1), ("garden", 0)]
    assert analyzer.batches == [3]
    assert rings["front"].counts().analyzed == 2
    assert rings["front"].counts().in_flight == 0


def test_who_main_calls_settled_is_embedded_no_more(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=29)
    time = iter(np.arange(10.0, 20.0, 0.2))

    def next_frame() -> None:
        rings["front"].write(grey(0), captured_at=float(next(time)), monotonic=2.0, pts=None)
        os.eventfd_write(bell, 1)
        if len(analyzer.choices) == 10:
            settled = Settled(frozenset({choice.follow for choice in analyzer.choices}))
            worker.commands.put(settled_message("front", settled))

    worker.on_turn = next_frame
    next_frame()
    inference.run()
    assert [choice.embed for choice in analyzer.choices] == [True] * 10 + [False] * 19
    assert len({choice.follow for choice in analyzer.choices}) == 1


def test_who_was_in_a_batch_that_failed_is_somebody_new(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=2)
    analyzer.broken = True

    def mended() -> None:
        analyzer.broken = False
        rings["front"].write(grey(0), captured_at=1.2, monotonic=2.0, pts=None)
        os.eventfd_write(bell, 1)

    worker.on_turn = mended
    write(rings, bell, "front", 1)
    inference.run()
    lost, again = analyzer.choices
    assert again.embed and again.follow != lost.follow, "what was chosen then was never embedded"


def test_another_life_has_other_numbers(setting):
    rings, bell, start = setting
    followed = set()
    for _ in range(2):
        _, inference, analyzer = start(turns=1)
        write(rings, bell, "front", 1)
        inference.run()
        followed |= {choice.follow for choice in analyzer.choices}
    assert len(followed) == 2 and all(number < 1 << 53 for number in followed), "JSON keeps 53 bits"


def test_an_overloaded_camera_is_served_as_often_as_any_other(setting, monkeypatch):
    rings, bell, start = setting
    worker, inference, _ = start(turns=20)
    monkeypatch.setattr(BatchSize, "frames", property(lambda self: 1))

    def more() -> None:
        for camera in rings:
            write(rings, bell, camera, 2)

    worker.on_turn = more
    more()
    inference.run()
    served = [ring.counts().analyzed for ring in rings.values()]
    assert served == [10, 10]


def test_a_failing_batch_is_accounted_for_and_a_lasting_failure_ends_the_process(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=20)
    analyzer.broken = True
    worker.on_turn = lambda: write(rings, bell, "front", 1)
    write(rings, bell, "front", 1)
    with pytest.raises(MemoryError):
        inference.run()
    counts = rings["front"].counts()
    assert counts.dropped_busy == FAILURES
    assert counts.in_flight == 0
    assert worker.kinds() == ["ready"]


def test_one_failure_is_survived(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=3)
    analyzer.broken = True

    def mend() -> None:
        analyzer.broken = False
        write(rings, bell, "front", 1)

    worker.on_turn = mend
    write(rings, bell, "front", 1)
    inference.run()
    counts = rings["front"].counts()
    assert (counts.dropped_busy, counts.analyzed) == (1, 2)


def test_a_new_process_goes_on_where_the_killed_one_was(setting):
    rings, bell, start = setting
    write(rings, bell, "front", 3)
    rings["front"].take(0)  # by a process that was killed before it could say what became of it
    _, inference, _ = start(turns=1)
    inference.run()
    counts = rings["front"].counts()
    assert (counts.captured, counts.dropped_busy, counts.analyzed, counts.in_flight) == (3, 1, 2, 0)


def test_two_lanes_work_side_by_side_and_never_on_one_camera(setting):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=200, threads=2)
    together = threading.Barrier(2)
    at_work: list[set[str]] = []

    def meet(frames) -> None:
        at_work.append({frame.camera for frame in frames})
        together.wait(20.0)  # fails where only one lane is at work

    analyzer.on_batch = meet
    for camera in rings:
        write(rings, bell, camera, 2)

    def end_when_done() -> None:
        if all(ring.counts().in_flight == 0 for ring in rings.values()):
            worker.end()

    worker.on_turn = end_when_done
    inference.run()
    assert sorted(map(sorted, at_work)) == [["front"], ["garden"]]
    seen = [observation_from(m) for m in worker.sent if m.kind == "observation"]
    assert [o.seq for o in seen if o.camera == "front"] == [0, 1]
    assert [o.seq for o in seen if o.camera == "garden"] == [0, 1]


def test_a_word_of_main_is_heard_though_the_frames_waited_for_are_gone(setting, monkeypatch):
    rings, bell, start = setting
    worker, inference, _ = start(turns=1)
    inference._max_wait = 0.05
    write(rings, bell, "front", 1)
    os.eventfd_write(worker.wake_fd, 1)  # comes while the batch waits for more frames
    monkeypatch.setattr(inference._rings["front"], "take", lambda index: None)
    assert inference._next_batch() == []
    ready, _, _ = select.select([worker.wake_fd], [], [], 0)
    assert ready, "the loop would sleep on it"


def test_lanes_lose_no_count_of_what_their_stages_took(setting):
    _, _, start = setting
    _, inference, analyzer = start(turns=1, threads=2)
    histogram = inference._stages["detect"]
    histogram.counts = [SlowNumber(0) for _ in histogram.counts]
    side_by_side(lambda _: analyzer.on_stage("detect", 0.1))
    assert histogram.count == 40


def test_a_lane_that_hangs_ends_the_process_though_another_works(setting, monkeypatch):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=1000, threads=2)
    monkeypatch.setattr("camwatch.service.inference_main.SLOW", 0.05)
    monkeypatch.setattr("camwatch.service.inference_main.HUNG", 0.3)
    released = threading.Event()
    analyzer.on_batch = lambda frames: frames[0].camera == "front" and released.wait(20.0)
    write(rings, bell, "front", 1)
    inference._begin()
    write(rings, bell, "garden", 1)
    with pytest.raises(TimeoutError, match="a lane has been at the same work"):
        while True:
            inference._begin()
            inference._lanes.finish()
            inference._beat()
            time.sleep(0.01)
            if rings["garden"].counts().in_flight == 0:
                write(rings, bell, "garden", 1)
    assert worker.kinds().count("observation") > 3  # the other one went on
    released.set()
    inference._lanes.drain(20.0)


def test_a_lane_that_hangs_silences_the_heartbeat(setting, monkeypatch):
    rings, bell, start = setting
    worker, inference, analyzer = start(turns=3, threads=2)
    monkeypatch.setattr("camwatch.service.inference_main.SLOW", 1e-9)
    released = threading.Event()
    analyzer.on_batch = lambda frames: released.wait(20.0)
    write(rings, bell, "front", 1)
    beats = []
    worker.on_turn = lambda: beats.append(1)
    inference._begin()
    inference._beat()
    assert beats == []
    released.set()
    inference._lanes.drain(20.0)
    inference._beat()
    assert beats == [1]
