"""The inference process: the only one that holds TensorFlow. Batches over all cameras, photos in between.

It is restarted alone: a new one attaches to the same rings and goes on at `read`.
"""

import logging
import os
import select
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo
from camwatch.errors import InputError, PhotoError
from camwatch.pipeline import observe
from camwatch.records import Frame
from camwatch.service.batching import BatchSize, choose
from camwatch.service.histogram import FRAMES, Histogram
from camwatch.service.messages import Message, PipeError, enrolled_message, observation_message
from camwatch.service.ring import SLOTS, Counter, FrameRing
from camwatch.service.worker import Worker

log = logging.getLogger(__name__)

FAILURES = 3
"""Batches in a row that may fail before the process gives up and is started afresh."""


class Inference:
    """The inference loop; `run` returns when the end is asked for."""

    def __init__(self, worker: Worker, make_analyzer: Callable[..., FaceAnalyzer] = FaceAnalyzer) -> None:
        """Load the networks and attach to the rings.

        Args:
            worker: Its job says what to do.
            make_analyzer: Called with the keyword arguments of `FaceAnalyzer`.

        Raises:
            InputError: If the weights cannot be used or a device asked for is not there.
        """
        job = worker.job
        self._worker = worker
        self._size = BatchSize(job["max_batch"])
        self._max_wait: float = job["max_wait"]
        self._bell: int = job["bell_fd"]
        self._min_face: dict[str, int] = job["min_face"]
        self._lossless: set[str] = set(job["lossless"])
        self._stages = {stage: Histogram() for stage in ("queue", "detect", "embed")}
        self._batches = Histogram(FRAMES)
        self._photos: deque[dict[str, Any]] = deque()
        self._turn = 0
        self._last_served: dict[str, int] = {}
        self._failures = 0
        weights = job["facenet_weights"]
        self._analyzer = make_analyzer(
            min_face=min(self._min_face.values(), default=40),
            device=job["device"],
            facenet_weights=Path(weights) if weights else None,
            gpu_memory_mib=job["gpu_memory"],
            threads=job["threads"],
            on_stage=lambda stage, seconds: self._stages[stage].observe(seconds),
        )
        self._warm_up()
        self._rings = {
            camera: FrameRing(fd, camera, slot_bytes=job["slot_bytes"]) for camera, fd in job["rings"].items()
        }
        for camera, ring in self._rings.items():
            lost = ring.recover()
            if lost:
                log.warning("%s: %d frames were lost with the last inference process", camera, lost)

    def run(self) -> None:
        """Analyse until told to stop."""
        self._worker.send(Message("ready", {"network": self._analyzer.network}))
        while not self._worker.stopping:
            self._obey()
            frames = self._next_batch()
            if frames:
                self._analyze(frames)
            if self._photos:
                # One at a time behind each batch: neither waits for the other to come to an end.
                self._embed(self._photos.popleft())
            elif not frames:
                self._sleep(0.5)
            self._beat()

    def _warm_up(self) -> None:
        """Run every network once, so that the first visitor does not wait for their compilation."""
        self._analyzer.detect([np.zeros((360, 640, 3), np.uint8)], min(self._min_face.values(), default=40))
        self._analyzer.embed(np.zeros((1, 160, 160, 3), np.uint8))

    def _obey(self) -> None:
        while not self._worker.commands.empty():
            message = self._worker.commands.get()
            if message.kind == "embed":
                self._photos.extend(message.fields["photos"])

    def _next_batch(self) -> list[Frame]:
        waiting = self._waiting()
        if not any(waiting.values()):
            return []
        deadline = time.monotonic() + self._max_wait
        while sum(map(len, waiting.values())) < self._size.frames and (left := deadline - time.monotonic()) > 0:
            self._sleep(left)
            waiting = self._waiting()
        takes = choose(
            waiting,
            max_batch=self._size.frames,
            slots=SLOTS,
            last_served=self._last_served,
            lossless=self._lossless,
        )
        frames, now = [], time.monotonic()
        for take in takes:
            self._turn += 1
            self._last_served[take.camera] = self._turn
            frame = self._rings[take.camera].take(take.index)
            if frame is not None:
                self._stages["queue"].observe(max(0.0, now - frame.monotonic))
                frames.append(frame)
        return frames

    def _waiting(self) -> dict[str, range]:
        return {camera: ring.waiting() for camera, ring in self._rings.items()}

    def _analyze(self, frames: list[Frame]) -> None:
        self._batches.observe(len(frames))
        started = time.monotonic()
        try:
            observations = observe(self._analyzer, frames, min_face=self._min_face)
        except Exception:
            self._failures += 1
            for frame in frames:
                self._rings[frame.camera].add(Counter.DROPPED_BUSY)
            log.exception("a batch of %d frames failed (%d in a row)", len(frames), self._failures)
            self._size.failed()
            if self._failures >= FAILURES:
                raise
            return
        self._failures = 0
        self._size.worked(len(frames), time.monotonic() - started)
        for observation in observations:
            self._worker.send(observation_message(observation))
            self._rings[observation.camera].add(Counter.ANALYZED)

    def _embed(self, photo: dict[str, Any]) -> None:
        person, path = photo["person"], Path(photo["path"])
        self._worker.send(Message("embedding", {"asked": photo["asked"]}))
        try:
            enrolled = enroll_photo(self._analyzer, person, path, strict=False)
        except PhotoError as error:
            self._worker.send(Message("refused", {"asked": photo["asked"], "error": str(error)}))
            return
        self._worker.send(enrolled_message(enrolled, asked=photo["asked"]))

    def _sleep(self, seconds: float) -> None:
        ready, _, _ = select.select([self._bell, self._worker.wake_fd], [], [], seconds)
        for fd in ready:
            try:
                os.eventfd_read(fd)
            except BlockingIOError:
                continue

    def _beat(self) -> None:
        self._worker.beat(
            lambda: {
                "stages": {stage: histogram.to_list() for stage, histogram in self._stages.items()},
                "batches": self._batches.to_list(),
            }
        )


def main() -> None:
    """Entry point of the child."""
    worker = Worker.from_command_line()
    try:
        try:
            inference = Inference(worker)
        except InputError as error:
            worker.send(Message("fatal", {"error": str(error)}))
            worker.exit(2)
        inference.run()
    except PipeError:
        log.info("main is gone, stopping")
    except Exception:
        log.exception("inference failed")
        worker.exit(1)
    worker.exit(0)


if __name__ == "__main__":
    main()
