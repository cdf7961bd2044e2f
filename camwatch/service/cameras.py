"""The cameras as main sees them: a ring and a reader process each, up or down, switched on or off."""

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from camwatch.capture.trust import Trust
from camwatch.service.messages import Message
from camwatch.service.ring import SLOT_BYTES, FrameCounts, FrameRing, create_ring
from camwatch.service.supervisor import Child, Supervisor

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What a reader needs to know. `source` may hold a password: it goes to the child's pipe and nowhere else.

    `recording` says that the source is a file, whose reader waits for room rather than lose a frame.    """

    camera: str
    source: str
    recording: bool
    transport: Literal["tcp", "udp"]
    stall_timeout: float
    fps: float
    motion: Mapping[str, Any]
    loop: bool
    trust: Trust

    def __repr__(self) -> str:
        """Without the source."""
        return f"ReaderSettings({self.camera!r})"


class Cameras:
    """Every camera of the configuration.

    Attributes:
        rings: The shared memory, by camera.
        ring_fds: Its descriptors, for the inference process.
        bell_fd: The event descriptor that readers ring.
        log_format: `text` or `json`.
        down: Cameras that are switched on and deliver nothing, with the reason.
    """

    def __init__(
        self, settings: Sequence[ReaderSettings], supervisor: Supervisor, *, bell_fd: int, log_format: str
    ) -> None:
        """Make the rings; no reader is started yet."""
        self._settings = {s.camera: s for s in settings}
        self._supervisor = supervisor
        self.bell_fd = bell_fd
        self.log_format = log_format
        self.ring_fds = {camera: create_ring(camera) for camera in self._settings}
        self.rings = {camera: FrameRing(fd, camera) for camera, fd in self.ring_fds.items()}
        self.down: dict[str, str] = {}
        self._enabled: set[str] = set()
        self._up: set[str] = set()
        self._finished: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the configuration."""
        return tuple(self._settings)

    @property
    def recordings(self) -> list[str]:
        """Cameras that are files."""
        return [camera for camera, s in self._settings.items() if s.recording]

    def is_up(self, camera: str) -> bool:
        """Whether the camera delivers pictures."""
        return camera in self._up

    def is_watching(self, camera: str) -> bool:
        """Whether it is known what is before the camera: it delivers, or is a recording that has come to its end."""
        return camera in self._up or camera in self._finished

    def is_enabled(self, camera: str) -> bool:
        """Whether the camera is switched on."""
        return camera in self._enabled

    def counts(self) -> dict[str, FrameCounts]:
        """The accounting of every camera that is switched on."""
        # A copy first: the HTTP thread asks too, while the main loop may switch a camera.
        return {camera: self.rings[camera].counts() for camera in tuple(self._enabled)}

    def switch(self, camera: str, on: bool, now: float) -> None:
        """Start the camera's reader, or stop it and so close the stream."""
        name = reader_name(camera)
        if on == (camera in self._enabled):
            return
        if not on:
            self._enabled.discard(camera)
            self._supervisor.stop_child(name)
            self._up.discard(camera)
            self.down.pop(camera, None)
            log.info("%s: switched off, the stream is closed", camera)
            return
        self._enabled.add(camera)
        self._finished.discard(camera)
        self.down[camera] = "connecting"
        if name in self._supervisor.children:
            self._supervisor.restart_child(name, now)
            log.info("%s: switched on", camera)
        else:
            self._supervisor.add(self._child(self._settings[camera]), now)

    def handle(self, camera: str, message: Message) -> str | None:
        """Take in what the reader says of its source; returns the reason of a failed or lost connection."""
        fields = message.fields
        if fields["up"]:
            width, height = fields["size"]
            log.info("%s: delivers pictures of %d x %d", camera, width, height)
            self._up.add(camera)
            self.down.pop(camera, None)
            return None
        if camera not in self._enabled:
            return None
        reason, error = str(fields["reason"]), str(fields["error"])
        if fields["ended"]:
            self._finished.add(camera)
            log.info("%s: the recording ended", camera)
        elif fields["lost"] or self.down.get(camera) != error:
            when = f"{fields['retry_in']:.0f} s" if fields["refused"] else "a moment, then ever more slowly"
            log.warning("%s: no pictures: %s; trying again in %s", camera, error, when)
        self._up.discard(camera)
        self.down[camera] = error
        return None if fields["ended"] else reason

    def reader_died(self, camera: str) -> None:
        """The reader process ended unasked; its pictures stop until the next one delivers."""
        self._up.discard(camera)
        self.down[camera] = "its reader process is being restarted"

    def release(self, cameras: Collection[str]) -> None:
        """Stop the readers of some cameras and forget them; each is to be switched on again, or changed, after it."""
        self._supervisor.remove([reader_name(camera) for camera in cameras])
        for camera in cameras:
            self._enabled.discard(camera)
            self._up.discard(camera)
            self._finished.discard(camera)
            self.down.pop(camera, None)

    def change(self, settings: Sequence[ReaderSettings]) -> None:
        """These are the cameras from now on. Release those that differ before; nobody may use the rings of who left."""
        self._settings = {s.camera: s for s in settings}
        for camera in self.rings.keys() - self._settings.keys():
            self.rings.pop(camera).close()
            os.close(self.ring_fds.pop(camera))
        for camera in [camera for camera in self._settings if camera not in self.rings]:
            self.ring_fds[camera] = create_ring(camera)
            self.rings[camera] = FrameRing(self.ring_fds[camera], camera)

    def stop(self) -> None:
        """Stop all readers, side by side."""
        self._supervisor.stop_all([reader_name(camera) for camera in self._enabled])

    def close(self) -> None:
        """Give the shared memory back."""
        for ring in self.rings.values():
            ring.close()
        for fd in self.ring_fds.values():
            os.close(fd)

    def _child(self, settings: ReaderSettings) -> Child:
        fd = self.ring_fds[settings.camera]
        job = {
            "process": reader_name(settings.camera),
            "log_format": self.log_format,
            "camera": settings.camera,
            "source": settings.source,
            "transport": settings.transport,
            "stall_timeout": settings.stall_timeout,
            "fps": settings.fps,
            "motion": dict(settings.motion),
            "loop": settings.loop,
            "trust": asdict(settings.trust),
            "ring_fd": fd,
            "bell_fd": self.bell_fd,
            "slot_bytes": SLOT_BYTES,
        }
        # A reader is silent while it connects and while it waits for a picture, each no longer than its timeout allows.
        silence = 2 * settings.stall_timeout + 10.0
        return Child(
            name=reader_name(settings.camera),
            module="camwatch.service.reader_main",
            job=lambda: job,
            fds=(fd, self.bell_fd),
            silence=silence,
            start_silence=silence + 10.0,
        )


def reader_name(camera: str) -> str:
    """The name of a camera's reader process."""
    return f"reader {camera}"
