"""What the cameras of the live benchmark show: a still scene with a sensor's noise, and one where somebody comes.

The scene is a photo that comes with scikit-learn, the visitor comes from the demo's footage. Clips are H.264 without
B-frames and with a key picture every two seconds, as cameras send; they are made once and kept in a folder.
"""

from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.capture.source import open_source
from camwatch.records import Picture
from camwatch.tools.footage import locate

NOISE = 2.5
"""Standard deviation of the noise in grey levels, another one for each picture."""
GOP_SECONDS = 2
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
VISITOR = ("noface_face.mov", slice(95, 160))
"""The man who comes, and the frames in which he is there."""
PHOTOS = ("single_face.mp4", (6, 30, 60))
"""The clip that he is enrolled from, and its frames."""
PERSON = "Sam"


def gallery(folder: Path) -> Path:
    """A folder of photos with the visitor in it; returns the folder."""
    home = folder / PERSON
    home.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(open_source(str(locate(PHOTOS[0]))).frames()):
        if number in PHOTOS[1]:
            cv2.imwrite(str(home / f"{number}.png"), raw.rgb()[:, :, ::-1])
    return folder


def quiet(folder: Path, size: str, *, fps: int, crf: int) -> Path:
    """A clip in which nothing happens, ten seconds long."""
    path = folder / f"quiet-{size}-{fps}-{crf}.mp4"
    if not path.exists():
        empty = scene(SIZES[size])
        _write(path, (empty for _ in range(10 * fps)), fps=fps, crf=crf)
    return path


def visited(folder: Path, size: str, *, fps: int, crf: int, every: int, stay: int) -> Path:
    """A clip of `every` seconds in whose middle somebody stands before the camera for `stay` seconds."""
    path = folder / f"visited-{size}-{fps}-{crf}-{every}-{stay}.mp4"
    if not path.exists():
        empty = scene(SIZES[size])
        faces = [_placed(raw.rgb(), empty) for raw in list(open_source(str(locate(VISITOR[0]))).frames())[VISITOR[1]]]
        there_and_back = faces + faces[-2:0:-1]
        first = (every - stay) // 2 * fps

        def pictures() -> Iterator[Picture]:
            for index in range(every * fps):
                here = first <= index < first + stay * fps
                yield there_and_back[(index - first) % len(there_and_back)] if here else empty

        _write(path, pictures(), fps=fps, crf=crf)
    return path


def turned(clip: Path, groups: int) -> Path:
    """The same clip, begun `groups` groups of pictures later; nothing is encoded again."""
    path = clip.with_stem(f"{clip.stem}-turned-{groups}")
    if path.exists():
        return path
    new = path.with_suffix(".part.mp4")
    with av.open(str(clip)) as source, av.open(str(new), "w") as result:
        stream = source.streams.video[0]
        copy = result.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        starts = [index for index, packet in enumerate(packets) if packet.is_keyframe]
        at = starts[groups % len(starts)]
        times = [packet.dts for packet in packets]
        for packet, time in zip(packets[at:] + packets[:at], times, strict=True):
            packet.pts = packet.dts = time
            packet.stream = copy
            result.mux(packet)
    new.rename(path)
    return path


def megabits(clip: Path) -> float:
    """Bits per second of a clip, in millions."""
    with av.open(str(clip)) as source:
        return source.bit_rate / 1e6


def scene(size: tuple[int, int]) -> Picture:
    """The empty scene, (height, width, 3) RGB."""
    package = find_spec("sklearn")
    assert package is not None and package.origin is not None
    photo = cv2.imread(str(Path(package.origin).parent / "datasets" / "images" / "china.jpg"))
    assert photo is not None
    photo = photo[: photo.shape[1] * size[1] // size[0], :, ::-1]
    return np.ascontiguousarray(cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _placed(face: Picture, empty: Picture) -> Picture:
    """The face picture in the middle of the scene, at half of its height."""
    factor = empty.shape[0] / 2 / face.shape[0]
    small = cv2.resize(face, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    top, left = (empty.shape[0] - small.shape[0]) // 2, (empty.shape[1] - small.shape[1]) // 2
    result = empty.copy()
    result[top : top + small.shape[0], left : left + small.shape[1]] = small
    return result


def _write(path: Path, pictures: Iterator[Picture], *, fps: int, crf: int) -> None:
    new = path.with_suffix(".part.mp4")
    options = {"preset": "veryfast", "profile": "main", "crf": str(crf), "maxrate": "4M", "bufsize": "4M"}
    dice = np.random.default_rng(1)
    noise: list[NDArray[np.float32]] = []
    with av.open(str(new), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        # A key picture where it is due and nowhere else, so that clips can be turned by groups.
        stream.codec_context.gop_size = GOP_SECONDS * fps
        stream.codec_context.max_b_frames = 0
        for index, picture in enumerate(pictures):
            height, width = picture.shape[:2]
            if not noise:
                stream.height, stream.width = height, width
                noise = [dice.normal(0, NOISE, (height, width)).astype(np.float32) for _ in range(4)]
            planes = cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420)
            grain = np.roll(noise[index % 4], (dice.integers(height), dice.integers(width)), (0, 1))
            planes[:height] = np.clip(planes[:height] + grain, 16, 235)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    new.rename(path)
