from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.capture.decode import RawFrame, failure
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
