import pytest
from hypothesis import given
from hypothesis import strategies as st

from camwatch.capture.address import kind, mask, scheme
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
        ("rtsp://host/s?access_token=s3cret&ch=1", "rtsp://host/s?access_token=***&ch=1"),
        ("rtsp://host/s?api_key=s3cret", "rtsp://host/s?api_key=***"),
        ("rtsp://host/s?APIKEY=s3cret", "rtsp://host/s?APIKEY=***"),
        ("rtsp://host/s?my_password=s3cret", "rtsp://host/s?my_password=***"),
        ("rtsp://host/s?pwd=x/s3cret", "rtsp://host/s?pwd=***"),
        ("rtsp://host/s?pwd=x@s3cret", "rtsp://host/s?pwd=***"),
        ("rtsp://host/u=admin&p=s3cret", "rtsp://host/u=***&p=***"),
        ("rtsp://host/user=admin_password=s3cret_channel=1", "rtsp://host/user=***"),
        ("rtsp:/cam:s3cret@host/1", "***@host/1"),
        ("rtsp//cam:s3cret@host/1", "***@host/1"),
        ("rtsp;//cam:s3cret@host/1", "***@host/1"),
        ("/srv/rtsp:/cam:s3cret@host/1", "***@host/1"),
        ("rtsp ://cam:s3cret@host/1", "rtsp ***@host/1"),
        ("<rtsp://cam:s3cret@host/1>", "<rtsp://***@host/1>"),
        ("mqtt_tls://cam:s3cret@host", "mqtt_tls://***@host"),
        ("cam:s3cret@host", "***@host"),
        ("at 12:30: two: rtsp://a:s3cret@x/1 rtsp://c:s3cret@y/2", "at 12:30: two: rtsp://***@x/1 rtsp://***@y/2"),
        ("a:s3cret@x,rtsp://c:s3cret@y/2", "***@y/2"),
        ("""{'url':'rtsp://a:s3cret@x/1'}""", "{'***@x/1'}"),
        ("(cam:s3cret@host)", "(***@host)"),
    ],
)
def test_credentials_are_masked_and_the_rest_stays(address: str, shown: str) -> None:
    assert mask(address) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "/srv/a@b.mp4",
        "/srv/a@b:c.mp4",
        r"C:\Users\alice@work\clip.mp4",
        "C:/Users/alice@work/clip.mp4",
        "alice@example.com wrote at 12:30, bob@example.com at 12:31:05",
        "front_door: the visit of Alice ended after 3 s: alice@home",
        "camwatch@nvr:1883 does not answer",
        "camwatch.yml:12: cameras.front_door.fps: is 61",
        "http://127.0.0.1:8470/metrics",
        "rtsp://[fe80::1]:554/s?channel=1&subtype=0",
        "keyint=50 monkeys=3 author=bob users=2 up=1 p=0.5",
        "2026-11-24T02:10:11.120Z",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert mask(text) == text


@given(
    st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=12),
    st.sampled_from(["rtsp://{}@h/1", "rtsp:/{}@h/1", "rtsp//{}@h/1", "{}@h", "cannot open 'http://{}@h:80/v': no"]),
)
def test_no_password_before_an_at_is_shown(secret: str, where: str) -> None:
    assert f"<{secret}>" not in mask(where.format(f"cam:<{secret}>"))


def test_schemes() -> None:
    assert scheme("RTSP://h") == "rtsp"
    assert [scheme(text) for text in ("C://clip.mp4", "clip.mp4", "x rtsp://h")] == [None] * 3


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


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["passw" * 40_000 + "=", "_auth" * 40_000 + "-=x", "a" * 60_000 + ":@x", "a://b@" * 30_000]
)
def test_masking_takes_no_longer_than_the_text_is_long(text: str) -> None:
    assert len(mask(text)) <= len(text) + 3
