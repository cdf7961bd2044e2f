import random
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.capture.decode import LONGEST_DAMAGE, Damage, Decoded, RawFrame, decode, failure, first_video
from camwatch.errors import SourceLost, SourceRefused, SourceUnavailable
from tests.rigs import clips

COLOUR = (200, 120, 60)
SECRET = "rtsp://cam:s3cret@host/1"


def raw(image: av.VideoFrame | None) -> RawFrame:
    return RawFrame(0.0, 0.0, 0.0, image is None, image)


def decoded(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as container:
        return next(container.decode(video=0))


def halves(width: int, height: int) -> NDArray[np.uint8]:
    """Left half coloured, right half black; the top quarter white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2] = COLOUR
    picture[: height // 4] = 255
    return picture


# 162 is no multiple of a decoder's alignment: the planes' lines are longer than the picture is wide
@pytest.mark.parametrize(
    "pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12", "gray", "rgb24"]
)
@pytest.mark.parametrize("width", [160, 162])
def test_luma_is_the_picture_in_grey_whatever_the_pixel_format(pix_fmt: str, width: int) -> None:
    image = av.VideoFrame.from_ndarray(halves(width, 96), format="rgb24").reformat(format=pix_fmt)
    luma = raw(image).luma(40, 24)
    assert luma.shape == (24, 40)
    assert luma.dtype == np.uint8
    assert luma.flags.c_contiguous
    assert luma[2, 5] > 220
    assert int(luma[15, 10]) == pytest.approx(137, abs=9)
    assert luma[15, 30] < 20
    assert np.ptp(luma[10:20, 2:17].astype(int)) <= 4


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
def test_rgb_gives_the_colours_back(tmp_path: Path, pix_fmt: str) -> None:
    picture = halves(162, 96)
    frame = raw(decoded(clips.encode(tmp_path / "a.mp4", [picture] * 3, pix_fmt=pix_fmt, crf=5)))
    rgb = frame.rgb()
    assert rgb.shape == (96, 162, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert np.abs(rgb[60, 30].astype(int) - COLOUR).max() <= 6
    assert rgb[60, 130].max() <= 6


def test_high_definition_colours_are_converted_as_the_stream_says(tmp_path: Path) -> None:
    path = tmp_path / "709.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.codec_context.colorspace = 1  # BT.709
        image = av.VideoFrame.from_ndarray(halves(160, 96), format="rgb24")
        container.mux(stream.encode(image.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode(None))
    assert np.abs(raw(decoded(path)).rgb()[60, 30].astype(int) - COLOUR).max() <= 6


def rotate_in_place(path: Path, clockwise: int) -> None:
    """Write a rotation into an MP4's track header, as phones do: the matrix of ISO/IEC 14496-12, 8.3.2."""
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    for index, value in zip((0, 1, 3, 4), (cosine, sine, -sine, cosine), strict=True):
        data[at + 4 * index : at + 4 * index + 4] = (value * 0x10000).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_the_rotation_of_phone_recordings_is_applied(tmp_path: Path, clockwise: int) -> None:
    picture = halves(160, 96)
    path = clips.encode(tmp_path / "a.mp4", [picture] * 3)
    rotate_in_place(path, clockwise)
    frame = raw(decoded(path))
    expected = np.rot90(picture, -clockwise // 90)
    assert (frame.height, frame.width) == expected.shape[:2]
    rgb = frame.rgb()
    assert rgb.shape == expected.shape
    assert np.abs(rgb.astype(int) - expected).mean() < 6
    small = frame.luma(frame.width // 4, frame.height // 4)
    assert small.shape == (frame.height // 4, frame.width // 4)
    assert np.abs(small.astype(int) - expected[2::4, 2::4].mean(axis=2)).mean() < 20


def test_a_frame_that_could_not_be_decoded_has_no_picture() -> None:
    frame = raw(None)
    assert (frame.width, frame.height) == (0, 0)
    with pytest.raises(ValueError, match="no picture"):
        frame.rgb()
    with pytest.raises(ValueError, match="no picture"):
        frame.luma(16, 9)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (av.error.ExitError, "timeout"),
        (av.error.TimeoutError, "timeout"),
        (av.error.HTTPUnauthorizedError, "unauthorized"),
        (av.error.HTTPForbiddenError, "unauthorized"),
        (av.error.PermissionError, "unauthorized"),
        (av.error.HTTPNotFoundError, "not_found"),
        (av.error.FileNotFoundError, "not_found"),
        (av.error.ConnectionRefusedError, "refused"),
        (av.error.HTTPServerError, "refused"),
        (av.error.HTTPTooManyRequestsError, "refused"),
        (av.error.EOFError, "ended"),
        (av.error.InvalidDataError, "invalid"),
        (av.error.DecoderNotFoundError, "invalid"),
        (av.error.ArgumentError, "invalid"),
        (av.error.ConnectionResetError, "network"),
        (av.error.OSError, "network"),
        (av.error.UndefinedError, "network"),
    ],
)
def test_every_error_gets_a_reason_and_shows_no_secret(error: type[av.FFmpegError], reason: str) -> None:
    raised = error(1, "told by FFmpeg", SECRET)
    ours = failure(raised, "rtsp://***@host/1", delivering=False, final={"unauthorized", "not_found"})
    assert ours.reason == reason
    assert type(ours) is (SourceRefused if reason in ("unauthorized", "not_found") else SourceUnavailable)
    assert "s3cret" not in str(ours)
    assert str(ours).startswith("rtsp://***@host/1: ")
    assert "\n" not in str(ours)
    assert type(failure(raised, "x", delivering=True, final={"unauthorized"})) is SourceLost


SCENE = np.random.default_rng(1).integers(0, 256, (15, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1)
"""240 x 320, with structure everywhere."""


def scene(index: int) -> NDArray[np.uint8]:
    """A picture in which everything moves: a prediction from a damaged one shows."""
    return np.roll(SCENE, 3 * index, 1)


def wrong(picture: NDArray[np.uint8], index: int) -> bool:
    """Whether it is not the picture that was taken."""
    return bool(np.abs(picture.astype(int) - scene(index)).mean() > 8)


def spoiled(
    folder: Path, spoil: Callable[[int, bytes], bytes], *, gop: int = 50, count: int = 150, **options: str
) -> list[Decoded]:
    """What is decoded of a clip, 25 pictures a second of four slices, each of whose packets was changed like this."""
    options = {"preset": "ultrafast", "g": str(gop), "bf": "0", "x264-params": "slices=4", **options}
    good, bad = folder / "good.mkv", folder / "bad.mkv"
    with av.open(str(good), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(index), format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(good)) as container, av.open(str(bad), "w") as target:
        into = target.add_stream_from_template(container.streams.video[0])
        for index, packet in enumerate(container.demux(video=0)):
            data = spoil(index, bytes(packet)) if packet.size else b""
            if data:
                changed = av.Packet(data)
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.is_keyframe, changed.stream = packet.is_keyframe, into
                target.mux(changed)
    with av.open(str(bad)) as container:
        return [one for step in decode(container, first_video(container, "bad")) for one in step]


def without_slices(data: bytes, share: float, dice: random.Random) -> bytes:
    """A packet (length before each NAL unit) with some of its slices of predicted pictures left out."""
    kept, at = b"", 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4] & 31 != 1 or dice.random() >= share:
            kept += data[at:end]
        at = end
    return kept


@pytest.mark.parametrize("how", ["slices lost", "packets cut"])
def test_no_picture_predicted_from_a_damaged_one_passes_as_good(tmp_path: Path, how: str) -> None:
    dice = random.Random(2)

    def spoil(index: int, data: bytes) -> bytes:
        if how == "slices lost":
            return without_slices(data, 0.02, dice)
        return data[: int(len(data) * dice.random())] if index and dice.random() < 0.03 else data

    got = spoiled(tmp_path, spoil)
    good = [one for one in got if not one.corrupt]
    seen = [(one, round(one.pts * 25)) for one in got if one.image is not None and one.pts is not None]
    bad = [one for one, index in seen if wrong(raw(one.image).rgb(), index)]
    assert len(bad) >= 20
    assert all(one.corrupt for one in bad)
    assert len(good) >= 20


def test_damage_ends_with_the_next_key_picture(tmp_path: Path) -> None:
    got = spoiled(tmp_path, lambda index, data: data[: len(data) // 3] if index == 30 else data, gop=25, count=75)
    damaged = [round(one.pts * 25) for one in got if one.corrupt and one.pts is not None]
    assert damaged == list(range(30, 50))
    assert {one.image is None for one in got if not one.corrupt} == {False}


def test_a_camera_without_key_pictures_is_trusted_again_in_the_end(tmp_path: Path) -> None:
    refresh = {"x264-params": "intra-refresh=1:slices=1"}
    got = spoiled(tmp_path, lambda index, data: data[: len(data) // 3] if index == 30 else data, count=330, **refresh)
    assert [one.image.key_frame for one in got if one.image is not None].count(True) == 1
    damaged = [one.pts for one in got if one.corrupt and one.pts is not None]
    assert damaged[0] == pytest.approx(1.2, abs=0.01)
    assert damaged[-1] - damaged[0] == pytest.approx(LONGEST_DAMAGE, abs=0.1)
    for one in got[-20:]:
        assert not one.corrupt
        assert one.pts is not None
        assert not wrong(raw(one.image).rgb(), round(one.pts * 25))


class TestDamage:
    def test_a_marked_key_picture_is_damaged_too_and_so_is_what_follows(self) -> None:
        damage = Damage()
        kinds = [(True, False), (True, True), (False, False), (True, False), (False, False)]
        covered = [damage.covers(None, key=key, marked=marked) for key, marked in kinds]
        assert covered == [False, True, True, False, False]

    @pytest.mark.parametrize("told", [lambda i: 5 + i / 25, lambda i: None, lambda i: 7.0, lambda i: 1e6 - 1e4 * i])
    def test_it_lasts_ten_seconds_whatever_the_times_tell(self, told: Callable[[int], float | None]) -> None:
        damage = Damage()
        damage.begin()
        covered = [damage.covers(told(i), key=False, marked=False) for i in range(300)]
        assert covered.count(True) == pytest.approx(250, abs=2)
        assert covered == sorted(covered, reverse=True)

    def test_a_new_sign_begins_it_anew(self) -> None:
        damage = Damage()
        damage.begin()
        covered = [damage.covers(i / 1, key=False, marked=i == 8) for i in range(25)]
        assert covered == [True] * 19 + [False] * 6
