import av
import pytest

from camwatch.capture import webcam
from camwatch.errors import SourceUnavailable

MISSING = 4711


@pytest.mark.parametrize("address", [MISSING, str(MISSING), f"/dev/video{MISSING}"])
def test_a_webcam_that_is_not_there_may_come_back(address: str | int) -> None:
    source = webcam.webcam_source(address)
    assert source.live
    with pytest.raises(SourceUnavailable) as caught:
        list(source.frames())
    assert caught.value.reason == "not_found"
    assert f"/dev/video{MISSING}" in str(caught.value)


def test_a_number_opens_the_device_with_the_video4linux_input(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def opens(file: str, **settings: object) -> None:
        asked.append((file, settings["format"], settings["timeout"]))
        raise av.error.FileNotFoundError(2, "No such file or directory", file)

    monkeypatch.setattr(webcam.av, "open", opens)
    with pytest.raises(SourceUnavailable):
        list(webcam.webcam_source(0, timeout=3).frames())
    assert asked == [("/dev/video0", "v4l2", (3, 3))]


def test_an_impossible_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout"):
        webcam.webcam_source(0, timeout=0)
