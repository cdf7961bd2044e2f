import json
import logging
import os
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch import arrays
from camwatch.identification import cache as cache_module
from camwatch.identification.cache import CACHE_FILE, keep_rows, read_cache, write_cache
from camwatch.records import Enrolled, Quality
from tests.identification.scene import GOOD, person

PHOTOS = [
    Enrolled("alice", "alice/1.jpg", "aa", np.stack([person(1), person(2)]), GOOD),
    Enrolled("bob", "bob/1.jpg", "bb", person(3)[None], Quality(50.0, 33.5, 0.25, 0.5)),
]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert write_cache(tmp_path, "net", PHOTOS)
    found = read_cache(tmp_path, "net")
    assert set(found) == {"aa", "bb"}
    assert np.array_equal(found["aa"].embeddings, PHOTOS[0].embeddings) and found["bb"].quality == PHOTOS[1].quality
    assert stat.S_IMODE((tmp_path / CACHE_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [CACHE_FILE], "no temporary file is left"


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o2770, 0o2700), (0o500, 0o500), (0o1777, 0o1777)])
def test_a_folder_with_embeddings_is_its_owners_alone(tmp_path: Path, before: int, after: int) -> None:
    tmp_path.chmod(before)
    write_cache(tmp_path, "net", PHOTOS)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == after
    tmp_path.chmod(0o700)


def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert write_cache(tmp_path, "net", PHOTOS)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_closed_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refused)
    assert write_cache(tmp_path, "net", PHOTOS)


@pytest.mark.parametrize("times", [0.0, 0.9, 1e30])
def test_embeddings_that_are_not_of_unit_length_are_made_anew(tmp_path: Path, times: float) -> None:
    odd = [replace(one, embeddings=(one.embeddings * np.float32(times)).astype(np.float32)) for one in PHOTOS]
    write_cache(tmp_path, "net", odd)
    assert read_cache(tmp_path, "net") == {}


def test_another_network_knows_nothing(tmp_path: Path) -> None:
    write_cache(tmp_path, "net", PHOTOS)
    assert read_cache(tmp_path, "other") == {}
    assert read_cache(tmp_path / "missing", "net") == {}


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_damaged_cache_is_ignored_and_told(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / CACHE_FILE).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert read_cache(tmp_path, "net") == {}
    assert CACHE_FILE in caplog.text
    assert write_cache(tmp_path, "net", PHOTOS) and len(read_cache(tmp_path, "net")) == 2


def test_every_flipped_byte_and_every_cut_is_harmless(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    short = [Enrolled("a", "a", "aa", np.eye(2, 4, dtype=np.float32), GOOD)]
    write_cache(tmp_path, "net", short)
    path = tmp_path / CACHE_FILE
    whole = path.read_bytes()
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(0, len(whole), 3)]
    for content in damaged:
        path.write_bytes(content)
        for one in read_cache(tmp_path, "net").values():
            assert np.array_equal(one.embeddings, short[0].embeddings), "damage that matters is noticed"


def test_pickled_objects_are_not_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.savez(tmp_path / CACHE_FILE[:-4], index=np.array([object()], dtype=object), embeddings=np.zeros((0, 4)))
    assert read_cache(tmp_path, "net") == {} and CACHE_FILE in caplog.text


def test_an_index_that_points_beyond_its_rows_is_damage(tmp_path: Path) -> None:
    write_cache(tmp_path, "net", PHOTOS)
    with np.load(tmp_path / CACHE_FILE, allow_pickle=False) as file:
        index, rows = file["index"], file["embeddings"]
    np.savez(tmp_path / CACHE_FILE[:-4], index=index, embeddings=rows[:-1])
    assert read_cache(tmp_path, "net") == {}


def test_rows_are_erased(tmp_path: Path) -> None:
    write_cache(tmp_path, "net", PHOTOS)
    assert keep_rows(tmp_path, {"bb", "zz"}) == 1
    assert set(read_cache(tmp_path, "net")) == {"bb"}
    embedding = PHOTOS[0].embeddings.tobytes()
    assert embedding[:64] not in (tmp_path / CACHE_FILE).read_bytes()
    (tmp_path / CACHE_FILE).write_bytes(b"damaged")
    assert keep_rows(tmp_path, {"bb"}) == 0 and not (tmp_path / CACHE_FILE).exists()


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert not write_cache(tmp_path / "missing", "net", PHOTOS)
    assert "not cached" in caplog.text


def written(rows: NDArray[Any], quality: list[Any]) -> dict[str, Any]:
    index = json.dumps({"version": 2, "network": "net", "photos": [["aa", 0, 1, quality]]})
    return {"embeddings": rows, "index": np.array(index)}


@pytest.mark.parametrize(
    "content",
    [
        written(np.zeros((1, 7), np.float32), [80.0, 50.0, 0.1, 0.9]),
        written(np.zeros((1, 512), np.float32), [80.0, 50.0, 0.1, float("nan")]),
        written(np.zeros((1, 512), np.float32), [80.0, 50.0, 0.1, 10**400]),
        {"embeddings": np.zeros((1, 512), np.float32), "index": np.array("[" * 100_000)},
    ],
    ids=["narrow", "no quality", "enormous quality", "deep index"],
)
def test_parts_that_fit_no_gallery_are_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: dict[str, Any]
) -> None:
    np.savez(tmp_path / CACHE_FILE, **content)
    assert read_cache(tmp_path, "net") == {}
    assert "ignored and made anew" in caplog.text


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(tmp_path: Path, how: int) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", how, compresslevel=1) as file, file.open("x.npy", "w") as member:
        for _ in range(arrays.MAX_BYTES >> 24) if how == zipfile.ZIP_DEFLATED else ():
            member.write(bytes(1 << 24))
        member.write(b"and more")
    with pytest.raises(ValueError, match="not a whole file of arrays"):
        arrays.read_arrays(tmp_path / "bomb.npz")


def test_a_header_that_is_no_python_is_damage(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\0" + struct.pack("<H", 20) + b"{'descr': [((" + b"'" * 3 + b"\n   ")
    with pytest.raises(ValueError, match="not a whole file of arrays"):
        arrays.read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("odd", [("aa", -2, 1, [1, 1, 0, 1]), ("aa", 0, 1, [float("nan"), 1, 0, 1])])
def test_an_index_that_no_cache_has_is_damage(tmp_path: Path, odd: tuple[object, ...]) -> None:
    rows = np.stack([person(1), person(2)])
    index = json.dumps({"version": cache_module._VERSION, "network": "net", "photos": [odd]})
    np.savez(tmp_path / "x.npz", embeddings=rows, index=np.array(index))
    (tmp_path / "x.npz").rename(tmp_path / CACHE_FILE)
    assert read_cache(tmp_path, "net") == {}
