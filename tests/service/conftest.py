"""An inference loop on real rings."""

import os

import pytest

from camwatch.service.batching import BatchSize
from camwatch.service.inference_main import Inference
from camwatch.service.ring import FrameRing, create_ring
from tests.rigs.inference import SLOT, Analyzer, Worker


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
        "runtime": "tensorflow",
        "precision": "float32",
        "cache": "/nonexistent/cache",
        "gpu_memory": None,
        "threads": 1,
        "rings": fds,
        "slot_bytes": SLOT,
    }
    rings = {camera: FrameRing(fd, camera, slot_bytes=SLOT) for camera, fd in fds.items()}
    made: list[Analyzer] = []

    def start(turns: int, *, threads: int = 1) -> tuple[Worker, Inference, Analyzer]:
        worker = Worker(job | {"threads": threads}, turns)
        monkeypatch.setattr(BatchSize, "frames", property(lambda self: 4))

        def make(**settings: object) -> Analyzer:
            made.append(Analyzer(**settings))
            return made[-1]

        return worker, Inference(worker, make), made[-1]

    yield rings, bell, start
    os.close(bell)
    for fd in fds.values():
        os.close(fd)
