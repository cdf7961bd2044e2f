"""The shared-memory ring that hands pictures from one reader process to the inference process.

One writer, one reader, no lock. A counter in the header has exactly one process that writes it, so the state
survives the death of either side: a new reader process goes on at `written`, a new inference process at `read`.
A slot carries the number of the picture in it twice, before and after the payload; who reads compares both with the
number expected, before and after reading the payload, and so notices a slot that was overwritten meanwhile.

A payload is the I420 planes of the picture. They are copied once, from the decoder into the slot, and become RGB
straight out of the slot.

The memory is an anonymous file (memfd_create(2)) whose descriptor the children inherit: it has no name, so nothing
can be left behind, whoever is killed.

Accounting: `captured = idle + decode_error + written` and
`in flight = written - analyzed - dropped_busy - dropped_stale`, exact at any moment.
"""

import logging
import mmap
import os
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from camwatch.capture.planes import LARGEST, Layout, Plane, Planes
from camwatch.records import Frame

log = logging.getLogger(__name__)

SLOTS = 4
SLOT_BYTES = LARGEST
"""Room for one 4K picture; pages never touched cost nothing."""

_HEADER = 4096
_META = np.dtype(
    [
        ("before", "u8"),
        ("after", "u8"),
        ("seq", "u8"),
        ("width", "u4"),
        ("height", "u4"),
        ("matrix", "u4"),
        ("full_range", "u1"),
        ("turns", "u1"),
        ("captured_at", "f8"),
        ("monotonic", "f8"),
        ("pts", "f8"),
    ]
)
_META_BYTES = 4096


class Counter(IntEnum):
    """Header counters. The first group is written by the reader process only, the second by inference only."""

    WRITTEN = 0
    IDLE = 1
    DECODE_ERROR = 2
    READ = 8
    ANALYZED = 9
    DROPPED_BUSY = 10
    DROPPED_STALE = 11


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """The ring's accounting at one moment."""

    captured: int
    idle: int
    decode_error: int
    analyzed: int
    dropped_busy: int
    dropped_stale: int

    @property
    def in_flight(self) -> int:
        """Captured frames whose outcome is not known yet."""
        done = self.idle + self.decode_error + self.analyzed + self.dropped_busy + self.dropped_stale
        return self.captured - done


class FrameRing:
    """A ring of `SLOTS` pictures in shared memory, attached by file descriptor.

    Args:
        fd: What `create_ring` returned, in this process or inherited from it.
        camera: The camera's name, for the frames read.
        slot_bytes: As given to `create_ring`.
    """

    def __init__(self, fd: int, camera: str, *, slot_bytes: int = SLOT_BYTES) -> None:
        """Map the memory; the descriptor stays the caller's."""
        self.camera = camera
        self.slot_bytes = slot_bytes
        self._stride = _META_BYTES + _round_up(slot_bytes)
        size = _HEADER + SLOTS * self._stride
        self._memory = mmap.mmap(fd, size)
        self._complained = False
        self._counters: NDArray[np.uint64] = np.frombuffer(self._memory, "u8", 16)
        self._metas = [
            np.frombuffer(self._memory, _META, 1, _HEADER + i * self._stride) for i in range(SLOTS)
        ]

    def close(self) -> None:
        """Unmap. Views handed out before must be gone."""
        self._counters = np.zeros(16, "u8")
        self._metas = []
        self._memory.close()

    def get(self, counter: Counter) -> int:
        """A counter as it is now."""
        return int(self._counters[counter])

    def add(self, counter: Counter, amount: int = 1) -> None:
        """Raise a counter that belongs to this process."""
        self._counters[counter] += np.uint64(amount)

    def counts(self) -> FrameCounts:
        """The accounting now: the reading side first, so that no frame is ever done before it was captured."""
        analyzed, busy, stale = (
            self.get(c) for c in (Counter.ANALYZED, Counter.DROPPED_BUSY, Counter.DROPPED_STALE)
        )
        idle, errors = self.get(Counter.IDLE), self.get(Counter.DECODE_ERROR)
        return FrameCounts(
            captured=idle + errors + self.get(Counter.WRITTEN),
            idle=idle,
            decode_error=errors,
            analyzed=analyzed,
            dropped_busy=busy,
            dropped_stale=stale,
        )

    def full(self) -> bool:
        """Whether the next `write` would overwrite a picture not read yet."""
        return self.get(Counter.WRITTEN) - self.get(Counter.READ) >= SLOTS

    def write(self, planes: Planes, *, captured_at: float, monotonic: float, pts: float | None) -> None:
        """Copy a picture into the next slot; the oldest one there is overwritten (newest wins).

        Args:
            planes: At most `slot_bytes` bytes in their layout.
            captured_at: UTC seconds.
            monotonic: Seconds of time.monotonic() at capture.
            pts: Presentation time in seconds, or None.

        Raises:
            ValueError: If the picture does not fit a slot.
        """
        layout = planes.layout
        if layout.nbytes > self.slot_bytes:
            raise ValueError(f"a picture of {layout.nbytes} bytes does not fit a slot of {self.slot_bytes}")
        index = self.get(Counter.WRITTEN)
        meta = self._metas[index % SLOTS]
        meta["before"] = index + 1
        planes.copy_into(self._payload(index))
        meta["seq"] = index + self.get(Counter.IDLE) + self.get(Counter.DECODE_ERROR)
        meta["width"], meta["height"] = layout.width, layout.height
        meta["matrix"], meta["full_range"], meta["turns"] = layout.matrix, layout.full_range, layout.turns
        meta["captured_at"], meta["monotonic"] = captured_at, monotonic
        meta["pts"] = np.nan if pts is None else pts
        meta["after"] = index + 1
        self._counters[Counter.WRITTEN] = index + 1

    def waiting(self) -> range:
        """Numbers of the pictures written and not taken yet, oldest first; may hold more than there are slots."""
        return range(self.get(Counter.READ), self.get(Counter.WRITTEN))

    def take(self, index: int) -> Frame | None:
        """Turn picture `index` into RGB and go on behind it; pictures passed over are counted as `dropped_busy`.

        Returns:
            The frame, or None where the slot was overwritten while it was read, or holds what cannot be converted
            (counted as `dropped_stale`).
        """
        skipped = index - self.get(Counter.READ)
        frame = self._read(index)
        # First of all: what a process killed between here and its count leaves open, `recover` closes.
        self._counters[Counter.READ] = index + 1
        if skipped > 0:
            self.add(Counter.DROPPED_BUSY, skipped)
        if frame is None:
            self.add(Counter.DROPPED_STALE)
        return frame

    def recover(self) -> int:
        """Account for pictures that a killed inference process had taken: they count as `dropped_busy`.

        Returns:
            How many there were.
        """
        done = sum(self.get(c) for c in (Counter.ANALYZED, Counter.DROPPED_BUSY, Counter.DROPPED_STALE))
        lost = self.get(Counter.READ) - done
        if lost > 0:
            self.add(Counter.DROPPED_BUSY, lost)
        return max(lost, 0)

    def _read(self, index: int) -> Frame | None:
        meta = self._metas[index % SLOTS][0]
        number = index + 1
        if int(meta["before"]) != number or int(meta["after"]) != number:
            return None
        seq = int(meta["seq"])
        layout = Layout(
            int(meta["width"]),
            int(meta["height"]),
            int(meta["matrix"]),
            bool(meta["full_range"]),
            int(meta["turns"]),
        )
        captured_at, monotonic, pts = float(meta["captured_at"]), float(meta["monotonic"]), float(meta["pts"])
        if int(meta["before"]) != number or layout.nbytes > self.slot_bytes:  # a layout of two halves may not fit
            return None
        try:
            picture = layout.rgb(self._payload(index))
        except (OSError, ValueError) as error:  # one camera's picture must not end the analysis of all
            if not self._complained:
                log.error("%s: pictures of %s cannot be converted: %s", self.camera, layout, str(error))
            self._complained = True
            return None
        if int(meta["before"]) != number:
            return None
        return Frame(self.camera, seq, captured_at, monotonic, None if np.isnan(pts) else pts, picture)

    def _payload(self, index: int) -> Plane:
        start = _HEADER + (index % SLOTS) * self._stride + _META_BYTES
        return np.frombuffer(self._memory, np.uint8, self.slot_bytes, start)


def create_ring(camera: str, *, slot_bytes: int = SLOT_BYTES) -> int:
    """Make the memory of a ring; returns a descriptor to pass to children and to close at the end.

    Raises:
        OSError: If the kernel gives none.
    """
    fd = os.memfd_create(f"camwatch-{camera}", os.MFD_CLOEXEC)
    os.ftruncate(fd, _HEADER + SLOTS * (_META_BYTES + _round_up(slot_bytes)))
    return fd


def _round_up(size: int, page: int = 4096) -> int:
    return -(-size // page) * page
