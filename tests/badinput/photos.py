"""Photos: damaged, enormous, of kinds that are not read, and files that are none."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import cv2
import numpy as np

from camwatch.engine.image_header import read_header
from camwatch.engine.photos import MAX_PIXELS, read_photo
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.mutants import mutants
from tests.engine.test_photos import CMYK, exif

SIZE = (24, 40)
"""Height and width of the good ones: small, so that many are read in a second."""


def picture() -> np.ndarray:
    """Smooth, coloured, and with nothing in it twice; BGR as OpenCV wants it."""
    made = np.zeros((*SIZE, 3), np.uint8)
    made[..., 2] = np.linspace(20, 220, SIZE[1])[None, :]
    made[..., 1] = np.linspace(10, 240, SIZE[0])[:, None]
    made[..., 0] = 70
    return made


def encoded(suffix: str, made: np.ndarray | None = None, *options: int) -> bytes:
    """As a file."""
    return bytes(cv2.imencode(suffix, picture() if made is None else made, options)[1])


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file with its right checksum."""
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, depth: int, colour: int, *chunks: bytes, rows: bytes | None = None) -> bytes:
    """A PNG file with these chunks between its header and its pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = chunk(b"IDAT", zlib.compress(rows if rows is not None else bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + end


def animated_png() -> bytes:
    """Two pictures of 8 x 4: the first is black, the second is another one."""
    row = b"".join(b"\0" + bytes(24) for _ in range(4))
    control = struct.pack(">IIIIIHHBB", 0, 8, 4, 0, 0, 1, 10, 0, 0)
    second = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 1, 8, 4, 0, 0, 1, 10, 0, 0))
    frame = chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress(bytes(100)))
    whole = png(8, 4, 8, 2, chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fcTL", control), rows=row)
    return whole[: -len(chunk(b"IEND", b""))] + second + frame + chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    """A JPEG file whose header names another size than its pixels have."""
    data = bytearray(encoded(".jpg"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def turned(orientation: int) -> bytes:
    """A JPEG file that is to be turned."""
    plain = encoded(".jpg")
    return plain[:2] + exif(orientation) + plain[2:]


def tiff(*entries: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """A TIFF file of one directory; each entry is tag, type, count, value."""
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + body + data


def _tiff(width: int, height: int, *more: tuple[int, int, int, int]) -> bytes:
    plain = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    return tiff(*sorted([*plain, *more]), data=bytes(4096))


PALETTE = chunk(b"PLTE", bytes(range(48))) + chunk(b"tRNS", bytes(range(16)))
INDEXED = png(8, 4, 8, 3, PALETTE, rows=b"".join(b"\0" + bytes(range(8)) for _ in range(4)))
GIF = bytes.fromhex("474946383961080004008000ff000000ffffff21f90400000000002c0000000008000400000206848fa9cb5d003b")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
WEBP = encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, 80)


def animated_webp() -> bytes:
    """Two frames of one picture in an extended WebP file."""
    width, height = SIZE[1], SIZE[0]

    def side(value: int) -> bytes:
        return (value - 1).to_bytes(3, "little")

    def part(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)

    frame = part(b"ANMF", bytes(6) + side(width) + side(height) + (100).to_bytes(3, "little") + b"\0" + WEBP[12:])
    body = b"WEBP" + part(b"VP8X", b"\x02\0\0\0" + side(width) + side(height)) + part(b"ANIM", bytes(6)) + frame * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body


GOOD: dict[str, bytes] = {
    "JPEG": encoded(".jpg"),
    "JPEG progressive": encoded(".jpg", None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "JPEG grey": encoded(".jpg", picture()[..., 1]),
    "JPEG CMYK": CMYK,
    **{f"JPEG turned {number}": turned(number) for number in range(1, 9)},
    "PNG": encoded(".png"),
    "PNG of 16 bits": encoded(".png", picture().astype(np.uint16) * 257),
    "PNG transparent": encoded(".png", np.dstack([picture(), np.full(SIZE, 9, np.uint8)])),
    "PNG indexed and transparent": INDEXED,
    "PNG animated": animated_png(),
    "WebP": WEBP,
    "WebP lossless": encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, 101),
    "WebP animated": animated_webp(),
    "BMP": encoded(".bmp"),
    "TIFF": encoded(".tiff", None, cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "TIFF packed": encoded(".tiff", None, cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "TIFF of 16 bits": encoded(".tiff", picture().astype(np.uint16) * 257),
}
BAD: dict[str, bytes] = {
    "zero bytes": b"",
    "one byte": b"\xff",
    "PNG bomb of 30,000 a side": png(30_000, 30_000, 8, 2),
    "PNG bomb, filled": png(30_000, 30_000, 8, 0, rows=bytes(30_000_000)),
    "PNG of 2^31 a side": png(0x7FFFFFFF, 0x7FFFFFFF, 8, 2),
    "PNG of no width": png(0, 7, 8, 2),
    "JPEG claiming 65,500": jpeg_claiming(65_500, 65_500),
    "GIF animated": GIF[:-1] + GIF[13:],
    "SVG": SVG,
    "HEIC": HEIC,
    "AVIF": HEIC.replace(b"heic", b"avif"),
    "TIFF claiming much": _tiff(30_000, 30_000),
    "TIFF in two sizes": tiff(*[(256, 4, 1, 30_000), (257, 4, 1, 30_000), (256, 4, 1, 8), (257, 4, 1, 8)]),
    "TIFF in enormous tiles": _tiff(8, 8, (322, 4, 1, 16384), (323, 4, 1, 16384), (324, 4, 1, 200), (325, 4, 1, 64)),
    "text": b"hello\n" * 100,
    **{
        f"{name} cut at {part}/20": GOOD[name][: len(GOOD[name]) * part // 20]
        for name in ("JPEG", "PNG", "WebP")
        for part in range(1, 20)
    },
}


class Made:
    """A thing in the file system that is no good photo; made when it is read."""

    def __init__(self, name: str, make: Callable[[Path], object]) -> None:
        """`make` is given the path at which it is to be."""
        self.name, self.make = name, make

    def __repr__(self) -> str:
        """For the bench's table."""
        return f"Made({self.name!r})"


def _loop(path: Path) -> None:
    other = path.with_name("other")
    other.unlink(missing_ok=True)
    other.symlink_to(path)
    path.symlink_to(other)


THINGS = [
    Made("a folder", lambda path: path.mkdir()),
    Made("a FIFO", lambda path: os.mkfifo(path)),
    Made("a device", lambda path: path.symlink_to("/dev/zero")),
    Made("a loop of links", _loop),
    Made("a link to nothing", lambda path: path.symlink_to("nothing")),
    Made("nothing", lambda path: None),
    Made("larger than is read", lambda path: path.open("wb").truncate(70_000_000)),
]
NAMES = ["a\nb.jpg", "a\tb\x1b[31m.jpg", "\u2028.jpg", "\udcff\udc80.jpg", "x" * 250, "-.jpg", "..jpg", "\u202egpj.exe"]


def _chunks(random: Random) -> bytes:
    """A PNG file whose checksums are right, whatever else is wrong in its chunks."""
    data = bytearray(GOOD[random.choice([name for name in GOOD if name.startswith("PNG")])])
    at, parts = 8, [bytes(data[:8])]
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        content = bytearray(data[at + 8 : at + 8 + length])
        if content and random.random() < 0.3:
            content[random.randrange(len(content))] = random.randrange(256)
        parts.append(chunk(bytes(data[at + 4 : at + 8]), bytes(content)))
        if random.random() < 0.1:
            parts.append(parts[random.randrange(1, len(parts))])
        at += 12 + length
    return b"".join(parts)


def _tags(random: Random) -> bytes:
    """A TIFF file with tags drawn at will."""
    wide = [0, 1, 8, 64, 1000, 30_000, 70_000, 1 << 24, 0x7FFFFFFF, 0xFFFFFFFF]
    tags = [254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339]
    more = [
        (random.choice(tags), random.choice((1, 3, 4, 5, 16)), random.choice((0, 1, 3, 70_000)), random.choice(wide))
        for _ in range(random.randrange(1, 5))
    ]
    return _tiff(random.choice((8, 64)), random.choice((8, 64)), (273, 4, 1, 100), (279, 4, 1, 64), *more)


def _reads(folder: Path) -> Callable[[bytes | Made | str], None]:
    def read(value: bytes | Made | str) -> None:
        path = folder / (value if isinstance(value, str) else "photo")
        data = b""
        try:
            if isinstance(value, Made):
                value.make(path)
            else:
                data = GOOD["JPEG"] if isinstance(value, str) else value
                path.write_bytes(data if not isinstance(value, str) else data[:100])
            found = read_photo(path)
        finally:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        check(found, data)

    return read


def check(found: np.ndarray, data: bytes) -> None:
    """Whether an accepted picture is what its header said."""
    if found.ndim != 3 or found.shape[2] != 3 or found.dtype != np.uint8 or not 0 < found.size <= MAX_PIXELS * 3:
        raise WrongAnswerError(f"{found.shape} {found.dtype}")
    header = read_header(data)
    if header is None or (header.height, header.width) not in (found.shape[:2], found.shape[1::-1]):
        raise WrongAnswerError(f"{header} became {found.shape}")


KINDS = (
    Kind(
        "photos",
        _reads,
        {"mutants": mutants([*GOOD.values(), GIF, HEIC, SVG]), "PNG chunks": _chunks, "TIFF tags": _tags},
        {**GOOD, **BAD, **{thing.name: thing for thing in THINGS}, **{repr(name): name for name in NAMES}},
        share=42,
        seconds=10,
        megabytes=600,
    ),
)
