"""The MP4 writer: times as given, even sizes, whole or not at all."""

import os
import stat
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camwatch.errors import InputError
from camwatch.tools import video
from camwatch.tools.video import Mp4Writer


def picture(width: int, height: int, level: int = 90) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def test_odd_sizes_become_even_and_irregular_times_stay(tmp_path: Path) -> None:
    path, times = tmp_path / "x.mp4", [7.0, 7.04, 7.5, 7.5, 9.0]
    with Mp4Writer(path) as writer:
        for number, t in enumerate(times):
            writer.write(t, picture(161, 121, 40 * number))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert (stream.width, stream.height) == (162, 122)
        assert [frame.time for frame in frames] == pytest.approx([0.0, 0.04, 0.5, 0.501, 2.0], abs=1e-4)
        levels = [int(frame.to_ndarray(format="rgb24")[60, 80, 1]) for frame in frames]
    assert levels == pytest.approx([0, 40, 80, 120, 160], abs=4)


def test_a_change_of_size_is_scaled(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    with Mp4Writer(path) as writer:
        writer.write(0.0, picture(160, 120))
        writer.write(1.0, picture(640, 480))
    with av.open(str(path)) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(160, 120)] * 2


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), Mp4Writer(path) as writer:
        writer.write(0.0, picture(160, 120))
        raise RuntimeError
    with Mp4Writer(path):
        pass
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("when", ["mux", "close"])
def test_a_full_disk_is_told_of_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "x.mp4"
    writer = Mp4Writer(path)

    class Full:
        def __getattr__(self, name: str) -> Any:
            if name == when:
                raise OSError(28, "No space left on device", ".x.mp4.new")
            return getattr(real, name)

    real = writer._container
    monkeypatch.setattr(writer, "_container", Full())
    with pytest.raises(InputError, match=r"x\.mp4: cannot be written: No space left on device") as failed, writer:
        for number in range(60):
            writer.write(number / 25, picture(160, 120))
    assert failed.value.failed and list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    os.mkfifo(path)
    with pytest.raises(InputError, match="no file is there"):
        Mp4Writer(path)
    assert stat.S_ISFIFO(path.stat().st_mode) and list(tmp_path.iterdir()) == [path]


def test_an_ffmpeg_without_the_encoder_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_ENCODER", "libx264-that-is-not-there")
    with pytest.raises(InputError, match=r"x\.mp4: this FFmpeg has no H\.264 encoder"):
        Mp4Writer(tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []
