from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.capture.decode import RawFrame
from camwatch.capture.planes import LARGEST, Layout, planes_of
from tests.rigs.planes import noise, stored


def smooth(width: int, height: int) -> NDArray[np.uint8]:
    """A picture whose colours change slowly: what I420 leaves out of them does not matter."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.rint(np.dstack([255 * x, 255 * y, 128 + 100 * np.sin(3 * x + 2 * y)])).clip(0, 255).astype(np.uint8)


def frame(picture: NDArray[np.uint8], pix_fmt: str = "yuv420p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt, threads=1)


# 162 is no multiple of a line's alignment, 270 and 482 no multiples of 4
@pytest.mark.parametrize("size", [(1280, 720), (640, 270), (854, 482), (162, 96), (2, 2)])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("matrix", [1, 2, 5, 6, 9])
def test_colours_are_to_the_last_bit_what_swscale_makes_of_the_frame(
    size: tuple[int, int], pix_fmt: str, matrix: int
) -> None:
    image = frame(smooth(*size), pix_fmt)
    image.colorspace = matrix
    for color_range in (0, 1, 2):
        image.color_range = color_range
        expected = image.to_ndarray(format="rgb24", threads=1)
        assert np.array_equal(planes_of(image).rgb(), expected)


def test_matrix_and_range_make_a_difference() -> None:
    pictures = [
        noise(64, 32, matrix=matrix, full_range=full).rgb().astype(int) for matrix in (1, 6) for full in (False, True)
    ]
    for index, one in enumerate(pictures):
        assert all(np.abs(one - other).mean() > 2 for other in pictures[:index])


@pytest.mark.parametrize("size", [(160, 96), (161, 97), (47, 34)])
@pytest.mark.parametrize(
    "pix_fmt",
    ["yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuyv422", "nv12", "yuv420p10le", "rgb24", "bgr0"],
)
def test_any_pixel_format_and_size_keeps_its_colours(pix_fmt: str, size: tuple[int, int]) -> None:
    width, height = size
    picture = smooth(width + width % 2 if pix_fmt == "yuyv422" else width, height)  # that one has pixels in pairs
    image = frame(picture, pix_fmt)
    rgb = planes_of(image).rgb()
    assert rgb.shape == picture.shape
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    assert rgb.flags.writeable
    assert np.abs(rgb.astype(int) - picture).mean() < 6


def test_grey_has_no_colour() -> None:
    picture = smooth(160, 96).mean(axis=2).astype(np.uint8)
    rgb = planes_of(av.VideoFrame.from_ndarray(picture, format="gray")).rgb()
    assert np.abs(rgb.astype(int) - picture[:, :, None]).max() <= 2


def test_planes_of_i420_are_the_decoders_own_memory() -> None:
    image = frame(smooth(162, 96))
    planes = planes_of(image)
    assert [plane.shape for plane in (planes.y, planes.u, planes.v)] == [(96, 162), (48, 81), (48, 81)]
    for plane, decoders in zip((planes.y, planes.u, planes.v), image.planes, strict=True):
        assert np.shares_memory(plane, np.frombuffer(memoryview(decoders), np.uint8))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_picture_is_the_same_pixels_turned(turns: int) -> None:
    image = frame(smooth(161, 98))
    turned = planes_of(image, turns=turns).rgb()
    assert np.array_equal(turned, np.rot90(planes_of(image).rgb(), turns))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "rgb24"])
def test_a_picture_above_4k_is_halved_until_it_fits(pix_fmt: str) -> None:
    picture = np.zeros((2200, 4000, 3), np.uint8)
    picture[:, 2000:] = (200, 120, 60)
    planes = planes_of(frame(picture, pix_fmt))
    assert (planes.layout.width, planes.layout.height) == (2000, 1100)
    assert planes.layout.nbytes <= LARGEST
    rgb = planes.rgb()
    assert np.abs(rgb[500, 1500].astype(int) - (200, 120, 60)).max() <= 4
    assert rgb[500, 500].max() <= 2
    assert planes_of(frame(picture), limit=1000).layout.nbytes <= 1000


@pytest.mark.parametrize("size", [(64, 32), (63, 33), (1, 1), (65, 30)])
def test_stored_pictures_mean_what_their_planes_mean_whatever_lies_between_their_lines(size: tuple[int, int]) -> None:
    planes = noise(*size)
    buffer = stored(planes)
    assert np.array_equal(planes.layout.rgb(buffer), planes.rgb())
    for view, plane in zip(planes.layout.views(buffer), (planes.y, planes.u, planes.v), strict=True):
        assert np.array_equal(view, plane)


def test_a_layout_takes_half_of_what_rgb_takes() -> None:
    assert Layout(1920, 1080).nbytes == 1920 * 1080 * 3 // 2


def test_a_decoded_frame_may_go_while_its_planes_are_looked_at(clip: Path) -> None:
    with av.open(str(clip)) as container:
        images = list(container.decode(video=0))[:20]
        kept = [planes_of(image) for image in images]
        expected = [image.to_ndarray(format="rgb24", threads=1) for image in images]
        del images
    assert all(np.array_equal(planes.rgb(), picture) for planes, picture in zip(kept, expected, strict=True))


@pytest.mark.parametrize("matrix", range(20))
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_whatever_matrix_a_stream_names_there_is_a_picture_and_its_brightness(matrix: int, pix_fmt: str) -> None:
    image = av.VideoFrame(64, 48, pix_fmt)
    image.colorspace = matrix
    raw = RawFrame(None, 0.0, 0.0, False, image)
    assert raw.luma(32, 24).shape == (24, 32)
    assert raw.rgb().shape == (48, 64, 3)


@pytest.mark.parametrize(("named", "meant"), [(1, 1), (5, 5), (9, 9), (10, 9), (8, 2), (14, 2)])
def test_a_matrix_that_cannot_be_read_is_taken_for_the_nearest(named: int, meant: int) -> None:
    image = av.VideoFrame(64, 48, "yuv420p")
    image.colorspace = named
    assert planes_of(image).layout.matrix == meant
