"""Short test clips, encoded with PyAV when a test asks for them: nothing binary is kept in the repository.

Pictures are uint8 RGB of shape (height, width, 3); sizes are (width, height). The container follows the suffix of
the path: `.mp4`, `.mkv`, `.ts`, `.avi`, or `.h264` for a bare elementary stream without timestamps.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
SQUARE = (250, 240, 60)
"""Colour of the moving square, RGB; much brighter than anything behind it."""


def encode(
    path: Path,
    pictures: Iterable[Picture],
    *,
    fps: float = 25.0,
    codec: str = "libx264",
    gop: int | None = None,
    bframes: int = 0,
    pix_fmt: str = "yuv420p",
    crf: int = 20,
) -> Path:
    """Encode pictures of one size at a constant rate, and return the path.

    Args:
        path: Where to write; an existing file is replaced.
        pictures: At least one; even width and height, as 4:2:0 wants.
        fps: Pictures per second.
        codec: A PyAV encoder: `libx264`, `libx265`, `mjpeg`.
        gop: Pictures from one key picture to the next, one second by default.
        bframes: Consecutive B pictures; 0 like most cameras.
        pix_fmt: Pixel format of the stream.
        crf: Quality of x264 and x265, smaller is better.
    """
    rate = Fraction(fps).limit_denominator(1000)
    options = {"preset": "ultrafast", "crf": str(crf)} if codec.startswith("libx26") else {}
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    stream = None
    with av.open(str(path), "w") as container:
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.codec_context.gop_size = gop or max(1, round(fps))
                stream.codec_context.max_b_frames = bframes
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("a clip needs at least one picture")
        container.mux(stream.encode(None))
    return path


def background(size: tuple[int, int]) -> Picture:
    """A still scene with some structure: a slope of grey with a few darker posts."""
    width, height = size
    scene = np.zeros((height, width, 3), np.uint8)
    scene[...] = np.linspace(60, 160, width, dtype=np.float32).astype(np.uint8)[None, :, None]
    scene[height // 3 :, :: max(2, width // 8)] = 40
    return scene


def square_pictures(size: tuple[int, int], count: int, *, step: int = 4, start: int = 0) -> Iterator[Picture]:
    """`count` pictures of a square of a quarter of the height that moves right by `step` pixels a picture."""
    width, height = size
    side = height // 4
    scene = background(size)
    for index in range(count):
        picture = scene.copy()
        left = (start + index * step) % (width - side)
        picture[height // 2 : height // 2 + side, left : left + side] = SQUARE
        yield picture


def moving_square(
    path: Path,
    *,
    size: tuple[int, int] = (320, 240),
    fps: float = 25.0,
    seconds: float = 2.0,
    codec: str = "libx264",
    gop: int | None = None,
    bframes: int = 0,
) -> Path:
    """A clip in which something always moves."""
    pictures = square_pictures(size, round(fps * seconds))
    return encode(path, pictures, fps=fps, codec=codec, gop=gop, bframes=bframes)


def still_scene(
    path: Path,
    *,
    size: tuple[int, int] = (320, 240),
    fps: float = 25.0,
    seconds: float = 2.0,
    codec: str = "libx264",
) -> Path:
    """A clip in which nothing moves."""
    scene = background(size)
    return encode(path, (scene for _ in range(round(fps * seconds))), fps=fps, codec=codec)
