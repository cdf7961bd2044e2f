import pytest

from camwatch.capture.address import kind, mask
from camwatch.errors import SourceRefused


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam:s3cret@10.0.0.2:554/live?ch=1", "rtsp://***@10.0.0.2:554/live?ch=1"),
        ("RTSP://cam:s3cret@host/1", "RTSP://***@host/1"),
        ("rtsp://cam@host/1", "rtsp://***@host/1"),
        ("rtsp://cam:p@s3cret@host/1", "rtsp://***@host/1"),
        ("rtsp://cam:p/s3cret@host/1", "rtsp://***@host/1"),
        ("rtsp://cam:12/s3cret#?@host/1", "rtsp://***@host/1"),
        ("rtsp://host/1", "rtsp://host/1"),
        ("http://host/v.cgi?usr=admin&pwd=s3cret&ch=1", "http://host/v.cgi?usr=***&pwd=***&ch=1"),
        ("rtsp://host/user=admin&password=s3cret&channel=1", "rtsp://host/user=***&password=***&channel=1"),
        ("/srv/a@b.mp4", "/srv/a@b.mp4"),
        ("0", "0"),
    ],
)
def test_credentials_are_masked_and_the_rest_stays(address: str, shown: str) -> None:
    assert mask(address) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtsp://host/1", "network"),
        ("RTSPS://host/1", "network"),
        ("https://host/1.mjpg", "network"),
        ("0", "webcam"),
        ("12", "webcam"),
        ("/dev/video2", "webcam"),
        ("clip.mp4", "file"),
        ("./0", "file"),
        ("file:///srv/clip.mp4", "file"),
        ("C:/clip.mp4", "file"),
    ],
)
def test_kind(address: str, expected: str) -> None:
    assert kind(address) == expected


def test_an_unknown_scheme_is_refused_without_showing_the_password() -> None:
    with pytest.raises(SourceRefused) as caught:
        kind("gopher://me:s3cret@host/1")
    assert caught.value.reason == "invalid"
    assert "s3cret" not in str(caught.value)
    assert "gopher" in str(caught.value)
