import ast
import subprocess
import sys
from pathlib import Path

import pytest

from camwatch.capture.file import FileSource
from camwatch.capture.live import LiveSource
from camwatch.capture.source import Source, open_source
from camwatch.errors import SourceRefused


@pytest.mark.parametrize("address", ["rtsp://h/1", "rtsps://h/1", "http://h/1", "https://h/1", "0", 0, "/dev/video1"])
def test_cameras_are_live(address: str | int) -> None:
    source: Source = open_source(address)
    assert isinstance(source, LiveSource)
    assert source.live


@pytest.mark.parametrize("address", ["clip.mp4", "file:///srv/clip.mp4", "./0"])
def test_recordings_are_not(address: str) -> None:
    source: Source = open_source(address)
    assert isinstance(source, FileSource)
    assert not source.live


def test_nothing_is_opened_before_frames_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("av.open", lambda *arguments, **options: opened.append(str(arguments)))
    open_source("rtsp://user:s3cret@nowhere.invalid/1").close()
    open_source("missing.mp4").close()
    assert opened == []


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="transport"):
        open_source("rtsp://h/1", transport="TCP")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        open_source("rtsp://h/1", timeout=0)
    with pytest.raises(SourceRefused, match="gopher"):
        open_source("gopher://h/1")


def test_a_closed_source_yields_nothing(clip: Path) -> None:
    for address in (str(clip), "rtsp://127.0.0.1:1/x"):
        source = open_source(address)
        source.close()
        source.close()
        assert list(source.frames()) == []


def test_a_reader_does_not_load_what_it_does_not_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, camwatch.capture.selection; print(sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    loaded = {name.partition(".")[0] for name in ast.literal_eval(told)}
    assert {"av", "numpy"} <= loaded
    assert not loaded & {"cv2", "tensorflow", "keras", "sklearn", "scipy", "pydantic", "paho", "yaml"}
