"""The inference loop's surroundings without processes or networks: an analyzer, main's end of the pipe, frames."""

import os
import queue

import numpy as np

from camwatch.records import Box, Choice, Detection, Glimpse, Observation, Quality
from camwatch.service.messages import Message
from tests.rigs.planes import grey

SLOT = 64 * 64 * 3
FACE = Detection(Box(0, 0, 80, 100), ((25, 40), (55, 40), (40, 55), (30, 75), (50, 75)), 0.99)
GLIMPSE = Glimpse(FACE, Quality(100.0, 90.0, 0.0, 0.8), np.full(64, 1 / 8, np.float32))


class Analyzer:
    """Asks about one face in every frame and sees nobody; fails while `broken`."""

    network = "fake"

    def __init__(self, **settings: object) -> None:
        self.on_stage = settings["on_stage"]
        self.broken = False
        self.batches: list[int] = []
        self.choices: list[Choice] = []
        self.on_batch = lambda frames: None

    def analyze(self, frames, *, min_face=None, worth=None):
        self.batches.append(len(frames))
        self.on_batch(frames)
        for frame in frames:
            self.choices += worth(frame, [GLIMPSE])
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

    def end(self) -> None:
        self._turns = 0

    def send(self, message: Message) -> None:
        self.sent.append(message)

    def beat(self, fields) -> None:
        self._turns -= 1
        self.on_turn()

    def kinds(self) -> list[str]:
        return [message.kind for message in self.sent]


def write(rings, bell: int, camera: str, count: int) -> None:
    for _ in range(count):
        rings[camera].write(grey(0), captured_at=1.0, monotonic=2.0, pts=None)
    os.eventfd_write(bell, 1)
