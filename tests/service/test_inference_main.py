"""The inference loop on a real ring with an analyzer that can be made to fail: every frame keeps its account."""

import os
import queue
from pathlib import Path

import numpy as np
import pytest

from camwatch.records import Detection, Observation
from camwatch.service.batching import BatchSize
from camwatch.service.inference_main import FAILURES, Inference
from camwatch.service.messages import Message, observation_from
from camwatch.service.ring import FrameRing, create_ring

SLOT = 64 * 64 * 3


class Analyzer:
    """Sees nobody; fails while `broken`."""

    network = "fake"

    def __init__(self, **_settings: object) -> None:
        self.broken = False
        self.batches: list[int] = []

    def analyze(self, frames, *, min_face=None):
        self.batches.append(len(frames))
        if self.broken:
            raise MemoryError("out of memory in a batch")
        return [Observation(f.camera, f.seq, f.captured_at, f.monotonic, 16, 12, ()) for f in frames]

    def detect(self, pictures, min_face: int) -> list[list[Detection]]:
        return [[] for _ in pictures]

    def embed(self, chips):
        return np.zeros((len(chips), 512), np.float32)


class Worker:
    """The child's side without a process: ends after `turns` heartbeats."""

    def __init__(self, job: dict[str, object], turns: int) -> None:
        self.job, self._turns = job, turns
        self.sent: list[Message] = []
        self.commands: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.on_turn = lambda: None

    @property
    def stopping(self) -> bool:
        return self._turns <= 0

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def beat(self, fields) -> None:
        self._turns -= 1
        self.on_turn()

    def kinds(self) -> list[str]:
        return [message.kind for message in self.sent]


@pytest.fixture
def setting(monkeypatch):
    fds = {camera: create_ring(camera, slot_bytes=SLOT) for camera in ("front", "garden")}
    bell = os.eventfd(0, os.EFD_NONBLOCK)
    job = {
        "max_batch": 4,
        "max_wait": 0.0,
        "bell_fd": bell,
        "min_face": {"front": 40, "garden": 40},
        "lossless": [],
        "facenet_weights": None,
        "device": "cpu",
        "gpu_memory": None,
        "threads": None,
        "rings": fds,
        "slot_bytes": SLOT,
    }
    rings = {camera: FrameRing(fd, camera, slot_bytes=SLOT) for camera, fd in fds.items()}
    made: list[Analyzer] = []

    def start(turns: int) -> tuple[Worker, Inference, Analyzer]:
        worker = Worker(job, turns)
        monkeypatch.setattr(BatchSize, "frames", property(lambda self: 4))

        def make(**settings: object) -> Analyzer:
            made.append(Analyzer(**settings))
            return made[-1]

        return worker, Inference(worker, make), made[-1]

    yield rings, bell, start
    os.close(bell)
    for fd in fds.values():
        os.close(fd)


def write(rings, bell: int, camera: str, count: int) -> None:
    for _ in range(count):
        rings[camera].write(np.zeros((12, 16, 3), np.uint8), captured_at=1.0, monotonic=2.0, pts=None)
    os.eventfd_write(bell, 1)


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


def test_photos_are_embedded_also_where_frames_never_cease(setting, tmp_path: Path):
    rings, bell, start = setting
    worker, inference, _ = start(turns=4)
    worker.on_turn = lambda: write(rings, bell, "front", 1)
    photos = [{"person": "Ann", "path": str(tmp_path / f"{n}.jpg"), "asked": str(n)} for n in range(2)]
    worker.commands.put(Message("embed", {"photos": photos}))
    write(rings, bell, "front", 1)
    inference.run()
    assert [m.fields["asked"] for m in worker.sent if m.kind == "refused"] == ["0", "1"]
    assert worker.kinds().count("observation") == 4


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


def test_photos_wait_for_frames_and_a_bad_one_is_answered(setting, tmp_path: Path):
    rings, bell, start = setting
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"no picture")
    worker, inference, _ = start(turns=3)
    worker.commands.put(Message("embed", {"photos": [{"person": "Ann", "path": str(photo), "asked": "abc"}]}))
    write(rings, bell, "front", 1)
    inference.run()
    assert worker.kinds() == ["ready", "observation", "embedding", "refused"]
    assert worker.sent[-1].fields["asked"] == "abc"
    assert str(photo) in worker.sent[-1].fields["error"]
