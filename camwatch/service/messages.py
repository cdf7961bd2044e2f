"""What children and main say to each other over pipes: length, JSON header, raw arrays. No pickle.

A message is `[u32 JSON length][u32 blob length][JSON][blob]`, little-endian. The JSON holds `kind` and plain fields;
pixel and embedding arrays lie one after another in the blob. The sending side may be killed in the middle of a
message: the torn rest is dropped with the pipe, which belongs to one life of one child.
"""

import json
import os
import select
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from camwatch.errors import CamwatchError
from camwatch.files import from_json
from camwatch.records import Box, Detection, Enrolled, Face, Landmarks, Observation, Quality, Settled

_HEAD = struct.Struct("<II")
_LIMIT = 256 * 1024 * 1024
_CHIP = 160
_DIM = 512


class PipeError(CamwatchError):
    """The other end of a pipe is gone, does not read, or sent something that is no message."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message: what it is, its plain fields, its raw bytes."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    blob: bytes = b""


def encode(message: Message) -> bytes:
    """The message as bytes for a pipe."""
    header = json.dumps({"kind": message.kind, **message.fields}, separators=(",", ":")).encode()
    return _HEAD.pack(len(header), len(message.blob)) + header + message.blob


class Inbox:
    """The reading end of a pipe, never blocking: `read` gives the messages that are complete."""

    def __init__(self, fd: int) -> None:
        """Own `fd` and make it non-blocking."""
        os.set_blocking(fd, False)
        self.fd = fd
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For selectors."""
        return self.fd

    def read(self) -> tuple[list[Message], bool]:
        """All complete messages, and whether the other end is still open.

        Raises:
            PipeError: If the bytes are no message.
        """
        is_open = True
        while True:
            try:
                chunk = os.read(self.fd, 1 << 20)
            except BlockingIOError:
                break
            if not chunk:
                is_open = False
                break
            self._buffer += chunk
            if len(chunk) < 1 << 16 or len(self._buffer) > 1 << 24:
                break
        return self._complete(), is_open

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)

    def _complete(self) -> list[Message]:
        messages, at = [], 0
        while len(self._buffer) - at >= _HEAD.size:
            header_size, blob_size = _HEAD.unpack_from(self._buffer, at)
            if header_size + blob_size > _LIMIT:
                raise PipeError("a child sent something that is no message")
            end = at + _HEAD.size + header_size + blob_size
            if end > len(self._buffer):
                break
            start = at + _HEAD.size
            blob = bytes(self._buffer[start + header_size : end])
            try:
                fields = from_json(self._buffer[start : start + header_size])
                messages.append(Message(fields.pop("kind"), fields, blob))
            except (ValueError, KeyError, AttributeError, TypeError):
                raise PipeError("a child sent something that is no message") from None
            at = end
        del self._buffer[:at]
        return messages


class Outlet:
    """The writing end of a pipe. A message is written whole, or the pipe is no longer used."""

    def __init__(self, fd: int) -> None:
        """Own `fd` and make it non-blocking."""
        os.set_blocking(fd, False)
        self.fd = fd

    def send(self, message: Message, *, timeout: float = 30.0) -> None:
        """Write one message; waits while the pipe is full (backpressure).

        Raises:
            PipeError: If the other end is gone, or took nothing for `timeout` seconds.
        """
        data = memoryview(encode(message))
        deadline = time.monotonic() + timeout
        while data:
            try:
                data = data[os.write(self.fd, data) :]
                deadline = time.monotonic() + timeout
            except BlockingIOError:
                _, writable, _ = select.select([], [self.fd], [], 1.0)
                if not writable and time.monotonic() > deadline:
                    raise PipeError(f"the other end of a pipe read nothing for {timeout:g} s") from None
            except BrokenPipeError:
                raise PipeError("the other end of a pipe is gone") from None

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


def observation_message(observation: Observation) -> Message:
    """An observation for the pipe; see `observation_from`."""
    blob, faces = bytearray(), []
    for face in observation.faces:
        d, q = face.detection, face.quality
        faces.append(
            {
                "box": [d.box.x1, d.box.y1, d.box.x2, d.box.y2],
                "landmarks": d.landmarks,
                "confidence": d.confidence,
                "quality": [q.height, q.sharpness, q.turn, q.score],
                "chip": face.chip is not None,
                "embedding": face.embedding is not None,
                "follow": face.follow,
                "skipped": face.skipped,
            }
        )
        if face.chip is not None:
            blob += face.chip.tobytes()
        if face.embedding is not None:
            blob += face.embedding.astype("<f4").tobytes()
    fields = {
        "camera": observation.camera,
        "seq": observation.seq,
        "captured_at": observation.captured_at,
        "monotonic": observation.monotonic,
        "size": [observation.width, observation.height],
        "faces": faces,
    }
    return Message("observation", fields, bytes(blob))


def observation_from(message: Message) -> Observation:
    """The observation in a message of kind `observation`."""
    faces, at = [], 0
    for item in message.fields["faces"]:
        chip = embedding = None
        if item["chip"]:
            size = _CHIP * _CHIP * 3
            # a copy: one chip kept for long must not keep those of all faces of the frame
            chip = np.frombuffer(message.blob, np.uint8, size, at).reshape(_CHIP, _CHIP, 3).copy()
            at += size
        if item["embedding"]:
            embedding = np.frombuffer(message.blob, "<f4", _DIM, at).astype(np.float32)
            at += _DIM * 4
        marks: Landmarks = tuple((x, y) for x, y in item["landmarks"])  # type: ignore[assignment]
        detection = Detection(Box(*item["box"]), marks, item["confidence"])
        faces.append(
            Face(detection, Quality(*item["quality"]), chip, embedding, follow=item["follow"], skipped=item["skipped"])
        )
    f = message.fields
    width, height = f["size"]
    return Observation(f["camera"], f["seq"], f["captured_at"], f["monotonic"], width, height, tuple(faces))


def settled_message(camera: str, settled: Settled) -> Message:
    """Whose faces need not be embedded for now; see `settled_from`."""
    return Message("settled", {"camera": camera, "named": sorted(settled.named), "unknown": sorted(settled.unknown)})


def settled_from(message: Message) -> tuple[str, Settled]:
    """The camera and the followers in a message of kind `settled`."""
    f = message.fields
    return f["camera"], Settled(frozenset(f["named"]), frozenset(f["unknown"]))


def enrolled_message(enrolled: Enrolled, *, asked: str) -> Message:
    """An embedded photo for the pipe; see `enrolled_from`. `asked` is the content hash that main knows it by."""
    q = enrolled.quality
    fields = {
        "asked": asked,
        "person": enrolled.person,
        "photo": enrolled.photo,
        "sha256": enrolled.sha256,
        "rows": len(enrolled.embeddings),
        "quality": [q.height, q.sharpness, q.turn, q.score],
    }
    return Message("enrolled", fields, enrolled.embeddings.astype("<f4").tobytes())


def enrolled_from(message: Message) -> Enrolled:
    """The embedded photo in a message of kind `enrolled`."""
    f = message.fields
    rows = np.frombuffer(message.blob, "<f4").reshape(f["rows"], _DIM).astype(np.float32)
    return Enrolled(f["person"], f["photo"], f["sha256"], rows, Quality(*f["quality"]))
