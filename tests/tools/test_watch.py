"""`watch` on real clips: the right names, the same lines every time, a video that browsers play."""

import io
import itertools
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camwatch.capture.source import Source
from camwatch.capture.synthetic import SyntheticSource
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError, PhotoError, SourceLost, SourceRefused, SourceUnavailable
from camwatch.tools import watch as module
from camwatch.tools.watch import camera_name, watch
from tests.conftest import Footage
from tests.tools.pictures import frames, save


class Lines(io.StringIO):
    """Collects events, and tells somebody of each line."""

    def __init__(self, told: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._told = told

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._told is not None:
            self._told()
        return written

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    @property
    def story(self) -> list[tuple[str, str | None]]:
        return [(event["event_type"], event["person"]) for event in self.events]


@pytest.fixture(scope="module")
def faces(footage: Footage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of one man."""
    folder = tmp_path_factory.mktemp("faces")
    for number, picture in enumerate(frames(footage.path("single_face.mp4"), (0, 30, 60))):
        save(picture, folder / "Adam Ö" / f"{number}.png")
    return folder


def play(source: Path | str, faces: Path, analyzer: FaceAnalyzer | None, **options: Any) -> tuple[Lines, str]:
    out, notes = Lines(), io.StringIO()
    settings: dict[str, Any] = {
        "annotate": None,
        "show": False,
        "fps": 5.0,
        "min_face": 40,
        "threshold": None,
        "false_alarm_rate": 0.01,
        "out": out,
        "notes": notes,
    }
    assert watch(str(source), faces, analyzer=analyzer, **(settings | options)) == 0
    return out, notes.getvalue()


@pytest.mark.weights
def test_a_recording_gives_the_right_name_and_the_same_lines_every_time(
    footage: Footage, faces: Path, analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    clip, drawn = footage.path("face_noface.mov"), tmp_path / "drawn.mp4"
    out, notes = play(clip, faces, analyzer)
    again, _ = play(clip, faces, analyzer, annotate=drawn)

    assert out.story == [("recognized", "Adam Ö"), ("ended", "Adam Ö")]
    assert out.getvalue() == again.getvalue()
    named, ended = out.events
    assert named["node"] == "watch" and named["camera"] == "face_noface"
    assert named["first_seen"] == "1970-01-01T00:00:00.000Z"
    assert ended["last_seen"] < ended["decided_at"] < "1970-01-01T00:00:07"
    assert "Adam Ö" in notes and "32 frames" in notes

    told, written = described(clip), described(drawn)
    assert written["codec"] == "h264" and written["format"] == "yuv420p"
    assert written["times"] == pytest.approx(told["times"], abs=1e-4)
    assert written["duration"] == pytest.approx(told["duration"], abs=0.02)
    assert written["rate"] == pytest.approx(told["rate"], rel=0.01)
    data = drawn.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert drawn.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [drawn]

    picture = frames(drawn, (30,))[0]
    x1, y1, _, y2 = (round(share * side) for share, side in zip(named["box"], (960, 540, 960, 540), strict=True))
    left = picture[(y1 + y2) // 2, x1 - 8 : x1 + 9].astype(int)
    assert (left[:, 1] - left[:, 0]).max() > 60, "no green line where the face begins"


@pytest.mark.weights
def test_somebody_who_is_not_enrolled_is_unknown(footage: Footage, faces: Path, analyzer: FaceAnalyzer) -> None:
    out, _ = play(footage.path("WolfgangLanger_Pexels.mp4"), faces, analyzer, fps=2.0)
    assert out.story == [("unknown", None), ("ended", None)]


@pytest.mark.weights
def test_an_empty_room_gives_no_line(footage: Footage, faces: Path, analyzer: FaceAnalyzer) -> None:
    out, notes = play(footage.path("no_face.mp4"), faces, analyzer, fps=2.0)
    assert out.getvalue() == ""
    assert "visits: none" in notes


@pytest.mark.weights
def test_a_live_stream_that_breaks_off_is_told_to_the_end(
    footage: Footage, faces: Path, analyzer: FaceAnalyzer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = frames(footage.path("single_face.mp4"), range(0, 72, 3))
    lost = SourceLost("rtsp://***@door/1: the stream ended", "ended")
    replace_source(monkeypatch, SyntheticSource(clip, fps=10.0, live=True, fails=lost))
    out, drawn = Lines(), tmp_path / "live.mp4"
    with pytest.raises(SourceLost, match="the stream ended"):
        play("rtsp://cam:secret@door/1", faces, analyzer, out=out, annotate=drawn)
    assert out.story == [("recognized", "Adam Ö"), ("ended", "Adam Ö")]
    assert len(described(drawn)["times"]) == len(clip)


@pytest.mark.weights
def test_ctrl_c_ends_a_live_stream_well(
    footage: Footage, faces: Path, analyzer: FaceAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = itertools.cycle(frames(footage.path("single_face.mp4"), range(0, 72, 3)))
    replace_source(monkeypatch, SyntheticSource(clip, fps=20.0, live=True, realtime=True))
    before = signal.getsignal(signal.SIGINT)
    pressed: list[int] = []

    def press() -> None:
        if not pressed:
            pressed.append(1)
            os.kill(os.getpid(), signal.SIGINT)

    out = Lines(press)
    play("rtsp://door/1", faces, analyzer, out=out)
    assert out.story == [("recognized", "Adam Ö"), ("ended", "Adam Ö")]
    assert signal.getsignal(signal.SIGINT) == before


def test_what_is_wrong_is_said_before_anything_is_loaded(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, text = footage.path("no_face.mp4"), tmp_path / "text.mp4"
    text.write_text("not a video")
    people = tmp_path / "people"
    save(np.zeros((80, 80, 3), np.uint8), people / "Ann" / "black.png")
    own = tmp_path / "own.mp4"
    own.write_bytes(clip.read_bytes())

    def refused(source: Path | str, faces: Path, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            play(source, faces, None, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no such file" in refused(tmp_path / "nowhere.mp4", people)
    assert "cannot be read as video" in refused(text, people)
    assert "ftp://" in refused("ftp://u:secret@host/x", people)
    assert "secret" not in refused("ftp://u:secret@host/x", people)
    assert "no such folder" in refused(clip, tmp_path / "nobody")
    assert "nobody in it" in refused(clip, tmp_path)
    assert "must end in .mp4" in refused(clip, people, annotate=tmp_path / "x.avi")
    assert "cannot be written" in refused(clip, people, annotate=tmp_path / "no" / "x.mp4")
    assert "is the video itself" in refused(own, people, annotate=own)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "no window can be opened" in refused(clip, people, show=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own.mp4", "people", "text.mp4"]


@pytest.mark.weights
def test_a_gallery_without_a_face_is_refused(tmp_path: Path, footage: Footage, analyzer: FaceAnalyzer) -> None:
    save(np.zeros((80, 80, 3), np.uint8), tmp_path / "Ann" / "black.png")
    with pytest.raises(PhotoError, match="no photo with a usable face"):
        play(footage.path("no_face.mp4"), tmp_path, analyzer)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (SourceRefused("rtsp://***@door/1: wrong user or password", "unauthorized"), InputError),
        (SourceUnavailable("rtsp://door/1: connection refused", "refused"), SourceUnavailable),
    ],
)
def test_a_camera_that_refuses_is_the_users_to_mend(
    error: Exception, becomes: type[Exception], faces: Path, analyzer: FaceAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_source(monkeypatch, SyntheticSource([], live=True, fails=error))  # type: ignore[arg-type]
    with pytest.raises(becomes, match="rtsp://") as caught:
        play("rtsp://door/1", faces, analyzer)
    assert isinstance(caught.value, InputError) is (becomes is InputError)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/videos/Front Door.2.mp4", "front_door_2"),
        ("0", "webcam_0"),
        ("/dev/video2", "webcam_2"),
        ("rtsp://u:secret@host:554/stream1", "stream1"),
        ("rtsp://u:secret@host", "host"),
    ],
)
def test_the_camera_is_called_after_its_source(source: str, name: str) -> None:
    assert camera_name(source) == name


def replace_source(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    monkeypatch.setattr(module, "open_source", lambda address, **options: source)


def described(video: Path) -> dict[str, Any]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        times: Sequence[float] = [float(frame.time or 0.0) for frame in container.decode(stream)]
        assert stream.duration is not None and stream.time_base is not None
        return {
            "codec": stream.codec_context.name,
            "format": stream.codec_context.pix_fmt,
            "times": times,
            "duration": float(stream.duration * stream.time_base),
            "rate": float(stream.average_rate or 0),
        }
