"""The inference process: the only one that holds the networks. Batches over all cameras, photos in between.

It is restarted alone: a new one attaches to the same rings and goes on at `read`.
"""

import contextlib
import ctypes
import faulthandler
import logging
import os
import secrets
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from camwatch.capture.planes import Layout
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo
from camwatch.errors import InputError, PhotoError
from camwatch.identification.attention import Attention
from camwatch.identification.evidence import Gates
from camwatch.pipeline import observe
from camwatch.records import Enrolled, Frame, Observation
from camwatch.service.batching import BatchSize, choose
from camwatch.service.histogram import FRAMES, Histogram
from camwatch.service.lanes import Lanes, shares
from camwatch.service.messages import Message, PipeError, enrolled_message, observation_message, settled_from
from camwatch.service.ring import SLOTS, Counter, FrameRing
from camwatch.service.worker import Worker

log = logging.getLogger(__name__)

_LIBC = ctypes.CDLL(None)

FAILURES = 3
"""Batches in a row that may fail before the process gives up and is started afresh."""
SLOW = 5.0
"""Seconds after which a lane that is still at the same work silences the heartbeat: it may hang."""
GIVE_BACK_EVERY = 60.0
"""Seconds between two times that freed memory is given back; it takes some milliseconds."""
HUNG = 15.0
"""Seconds after which such a lane ends the process, which is then started afresh; no batch takes as long."""
DRAIN = 0.8
"""Seconds that batches at work have to end at the stop; main waits a little longer."""


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
        lanes, threads = shares(job["threads"], len(job["rings"]))
        self._lanes = Lanes(lanes)
        self._busy: set[str] = set()
        self._size = BatchSize(job["max_batch"], lanes=lanes)
        self._max_wait: float = job["max_wait"]
        self._bell: int = job["bell_fd"]
        self._min_face: dict[str, int] = job["min_face"]
        self._lossless: set[str] = set(job["lossless"])
        self._stages = {stage: Histogram() for stage in ("queue", "detect", "embed")}
        self._stages_lock = threading.Lock()  # each lane tells of its own
        self._batches = Histogram(FRAMES)
        gates = {camera: Gates(min_height=float(height)) for camera, height in self._min_face.items()}
        # no life counts on with the numbers of another one: main may still know those
        self._attention = Attention(gates, first=secrets.randbits(48))
        self._photos: deque[dict[str, Any]] = deque()
        self._photo_next = self._photo_at_work = self._alone = False
        self._turn = 0
        self._last_served: dict[str, int] = {}
        self._failures = 0
        self._next_give_back = 0.0
        weights = job["facenet_weights"]
        self._analyzer = make_analyzer(
            min_face=min(self._min_face.values(), default=40),
            device=job["device"],
            runtime=job["runtime"],
            precision=job["precision"],
            cache=Path(job["cache"]),
            facenet_weights=Path(weights) if weights else None,
            gpu_memory_mib=job["gpu_memory"],
            threads=threads,
            on_stage=self._observe_stage,
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
            if not self._begin():
                self._sleep(0.5)
            self._lanes.finish()
            self._give_back()
            self._beat()
        self._lanes.drain(DRAIN)

    def _begin(self) -> bool:
        """Give a free lane something to do; False where none is free or there is nothing to do."""
        if not self._lanes.free or self._alone:
            return False
        # Batches and photos in turn: neither waits for the other to come to an end.
        if self._photo_next and self._photos and not self._photo_at_work:
            return self._begin_photo()
        return self._begin_batch() or self._begin_photo()

    def _warm_up(self) -> None:
        """Run everything once, so that the first visitor does not wait for networks to compile or FFmpeg to load."""
        tiny = Layout(16, 16)
        tiny.rgb(np.zeros(tiny.nbytes, np.uint8))
        self._analyzer.detect([np.zeros((360, 640, 3), np.uint8)], min(self._min_face.values(), default=40))
        self._analyzer.embed(np.zeros((1, 160, 160, 3), np.uint8))

    def _give_back(self) -> None:
        """Give the system what glibc keeps of freed memory for later: with loading and rare large batches it adds up.

        See malloc_trim(3).
        """
        if (now := time.monotonic()) >= self._next_give_back:
            self._next_give_back = now + GIVE_BACK_EVERY
            _LIBC.malloc_trim(0)

    def _obey(self) -> None:
        while not self._worker.commands.empty():
            message = self._worker.commands.get()
            if message.kind == "embed":
                self._photos.extend(message.fields["photos"])
            elif message.kind == "settled":
                self._attention.settle(*settled_from(message))

    def _next_batch(self) -> list[Frame]:
        waiting = self._waiting()
        if not any(waiting.values()):
            return []
        deadline = time.monotonic() + self._max_wait
        while sum(map(len, waiting.values())) < self._size.frames and (left := deadline - time.monotonic()) > 0:
            _wait([self._bell], left)  # other words stay where they are: `run` would sleep on them if no frame is left
            waiting = self._waiting()
        free = self._lanes.free
        share = -(-sum(map(len, waiting.values())) // free)
        takes = choose(
            waiting,
            max_batch=min(self._size.frames, share),
            backlog=max(self._size.backlog, self._size.frames * free),
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
                with self._stages_lock:
                    self._stages["queue"].observe(max(0.0, now - frame.monotonic))
                frames.append(frame)
        return frames

    def _waiting(self) -> dict[str, range]:
        """What waits of the cameras that no lane is busy with: the frames of one are analysed in their order."""
        return {camera: ring.waiting() for camera, ring in self._rings.items() if camera not in self._busy}

    def _begin_batch(self) -> bool:
        frames = self._next_batch()
        if frames:
            self._photo_next = True
            self._batches.observe(len(frames))
            self._busy.update(frame.camera for frame in frames)
            self._lanes.start(partial(self._analyze, frames), partial(self._analyzed, frames))
        return bool(frames)

    def _analyze(self, frames: list[Frame]) -> tuple[list[Observation], float]:
        """In a lane."""
        started = time.monotonic()
        observations = observe(self._analyzer, frames, min_face=self._min_face, attention=self._attention)
        return observations, time.monotonic() - started

    def _analyzed(self, frames: list[Frame], done: "Future[tuple[list[Observation], float]]") -> None:
        self._busy.difference_update(frame.camera for frame in frames)
        try:
            observations, seconds = done.result()
        except Exception:
            self._failures += 1
            self._attention.forget({frame.camera for frame in frames})
            for frame in frames:
                self._rings[frame.camera].add(Counter.DROPPED_BUSY)
            log.exception("a batch of %d frames failed (%d in a row)", len(frames), self._failures)
            self._size.failed()
            if self._failures >= FAILURES:
                raise
            return
        self._failures = 0
        self._size.worked(len(frames), seconds)
        for observation in observations:
            self._worker.send(observation_message(observation))
            self._rings[observation.camera].add(Counter.ANALYZED)

    def _begin_photo(self) -> bool:
        """One at which inference died before waits until nothing else is at work: then main knows whose fault it is."""
        if self._photo_at_work or not self._photos or (self._photos[0]["alone"] and not self._lanes.idle):
            return False
        photo = self._photos.popleft()
        self._photo_at_work, self._photo_next, self._alone = True, False, photo["alone"]
        self._worker.send(Message("embedding", {"asked": photo["asked"]}))
        enroll = partial(enroll_photo, self._analyzer, photo["person"], Path(photo["path"]), strict=False)
        self._lanes.start(enroll, partial(self._embedded, photo["asked"]))
        return True

    def _embedded(self, asked: str, done: "Future[Enrolled]") -> None:
        self._photo_at_work = self._alone = False
        try:
            enrolled = done.result()
        except PhotoError as error:
            self._worker.send(Message("refused", {"asked": asked, "error": str(error)}))
            return
        self._worker.send(enrolled_message(enrolled, asked=asked))

    def _sleep(self, seconds: float) -> None:
        """Wait for a word of main or the end of some work, and for frames where a lane is free for them."""
        bells = [self._bell] if self._lanes.free else []
        _wait([*bells, self._worker.wake_fd, self._lanes.wake_fd], seconds)

    def _observe_stage(self, stage: str, seconds: float) -> None:
        """In a lane."""
        with self._stages_lock:
            self._stages[stage].observe(seconds)

    def _beat(self) -> None:
        """Tell main that the work goes on, unless it does not.

        Raises:
            TimeoutError: A lane hangs.
        """
        longest = self._lanes.longest(time.monotonic())
        if longest < SLOW:
            self._worker.beat(self._statistics)
        elif longest >= HUNG:
            # Main hears of the other lanes' work and would wait for ever.
            faulthandler.dump_traceback()
            raise TimeoutError(f"a lane has been at the same work for {longest:.0f} s")

    def _statistics(self) -> dict[str, Any]:
        with self._stages_lock:
            stages = {stage: histogram.to_list() for stage, histogram in self._stages.items()}
        capped = {"candidates": self._analyzer.candidates_capped, "faces": self._analyzer.faces_not_embedded}
        return {"stages": stages, "batches": self._batches.to_list(), "capped": capped}


def _wait(event_fds: list[int], seconds: float) -> None:
    ready, _, _ = select.select(event_fds, [], [], seconds)
    for fd in ready:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(fd)


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
