"""Recordings: damaged clips of several containers, decoded by FFmpeg itself, which may crash."""

import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from camwatch.capture.file import FileSource
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.mutants import mutants
from tests.rigs.clips import encode

MOST = 60
"""Pictures that are looked at; mutants may loop, or claim many."""


def clips() -> dict[str, bytes]:
    """Short clips by suffix."""
    pictures = [np.full((48, 64, 3), 30 * number, np.uint8) for number in range(6)]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, codec in ((".mp4", "libx264"), (".mkv", "libx264"), (".ts", "libx264"), (".avi", "mjpeg")):
            pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            path = Path(folder, f"clip{suffix}")
            found[suffix] = encode(path, pictures, codec=codec, gop=3, pix_fmt=pixels).read_bytes()
        found[".h264"] = encode(Path(folder, "clip.h264"), pictures, gop=3).read_bytes()
    return found


CLIPS = clips()
NAMED = {
    **CLIPS,
    "nothing": b"",
    "text": b"hello\n" * 50,
    "a playlist of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a playlist of addresses": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
    "a playlist of links": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


def _reads(folder: Path) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path = folder / "clip.mp4"
        path.write_bytes(data)
        source = FileSource(str(path), start_at=0.0)
        last = -1.0
        try:
            for frame in islice(source.frames(), MOST):
                if frame.pts is None or not last < frame.pts:
                    raise WrongAnswerError(f"{frame.pts} after {last}")
                last = frame.pts
                if frame.image is not None:
                    shape = frame.rgb().shape
                    if shape[2:] != (3,) or frame.luma(16, 12).shape != (12, 16):
                        raise WrongAnswerError(f"{shape}")
        finally:
            source.close()

    return read


KINDS = (
    Kind(
        "recordings", _reads, {"mutants": mutants(list(CLIPS.values()))}, NAMED, share=6.5, seconds=20, megabytes=1500
    ),
)
