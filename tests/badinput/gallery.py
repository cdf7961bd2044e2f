"""The folder of photos as the daemon reads it: its cache, its files, what a crash or somebody left in it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from camwatch.engine.photos import read_photo
from camwatch.identification.cache import CACHE_FILE, keep_rows
from camwatch.identification.faces import scan
from camwatch.identification.loader import load_folder
from camwatch.identification.recognizer import Recognizer
from camwatch.records import Enrolled, Quality
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.models import BOMB, WIDTH, archive, bomb, members
from tests.badinput.mutants import mutants
from tests.badinput.names import DEEP
from tests.badinput.photos import GOOD

PROBE = np.eye(1, WIDTH, dtype=np.float32)[0]
QUALITY = [80.0, 50.0, 0.1, 0.9]


def enrolled(person: str, path: Path) -> Enrolled:
    """Stands in for the networks: a photo that can be read has a face."""
    read_photo(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Enrolled(person, path.name, digest, np.eye(2, WIDTH, dtype=np.float32), Quality(*QUALITY))


def _photo(name: str) -> tuple[str, bytes]:
    return hashlib.sha256(GOOD[name]).hexdigest(), GOOD[name]


PHOTOS = [_photo("JPEG"), _photo("PNG")]


def cache_of(rows: Any, photos: Any, *, version: Any = 1, network: Any = "net") -> bytes:
    """A cache file."""
    index = json.dumps({"version": version, "network": network, "photos": photos})
    return archive({"embeddings": rows, "index": np.array(index)}, squeeze=False)


ROWS = np.concatenate([np.eye(2, WIDTH), np.eye(2, WIDTH)]).astype(np.float32)
SAVED = cache_of(ROWS, [(PHOTOS[0][0], 0, 2, QUALITY), (PHOTOS[1][0], 2, 2, QUALITY)])


def made_up(random: Random) -> bytes:
    """A cache whose parts do not fit together."""
    odd: list[Any] = [None, -1, 0, 1, 2, 3, 10**400, 1.5, "x", [], True, float("nan"), float("inf")]
    photos: list[Any] = [[PHOTOS[0][0], 0, 2, list(QUALITY)], [PHOTOS[1][0], 2, 2, list(QUALITY)]]
    for _ in range(random.randrange(3)):
        row = random.choice(photos)
        if random.random() < 0.5:
            row[random.randrange(4)] = random.choice(odd)
        elif isinstance(row[3], list) and row[3]:
            row[3][random.randrange(len(row[3]))] = random.choice(odd)
    rows = random.choice(
        [
            ROWS,
            ROWS[:, :7],
            ROWS[:1],
            ROWS.astype(np.float64),
            np.full((4, WIDTH), np.inf, np.float32),
            np.zeros((4, WIDTH), np.float32),
            np.full((4, WIDTH), 3e38, np.float32),
            np.zeros((4, 0), np.float32),
            np.zeros((4, 2, 3), np.float32),
            np.array("x"),
        ]
    )
    return cache_of(rows, photos, version=random.choice([1, 1, 1, 2, None]), network=random.choice(["net", "net", 7]))


def _cache(folder: Path) -> Callable[[bytes], None]:
    faces = folder / "faces"
    for name, (_, data) in zip(("Ann", "Bob"), PHOTOS, strict=True):
        (faces / name).mkdir(parents=True)
        (faces / name / "1.jpg").write_bytes(data)

    def read(given: bytes) -> None:
        data = bomb() if given == BOMB else given
        (faces / CACHE_FILE).write_bytes(data)
        keep_rows(faces, {"0" * 64})
        (faces / CACHE_FILE).write_bytes(data)
        loaded = load_folder(faces, "net", enrolled)
        if loaded.gallery.people != ("Ann", "Bob"):
            raise WrongAnswerError(f"people {loaded.gallery.people}")
        found = Recognizer(loaded.gallery).identify(PROBE)
        if found.best is None or not np.isfinite(found.best.score) or abs(found.best.score) > 1.01:
            raise WrongAnswerError(f"{found}")

    return read


PATHS = [
    *("Ann/1.jpg", "Ann/2.PNG", "Ann/x.heic", "Ann/person.json", "Bob/1.jpg", "1.jpg", ".hidden/1.jpg", "Ann/.1.jpg"),
    *(".embeddings.npz", "Ann/a\nb.jpg", "A\nb/1.jpg", "\udcff/1.jpg", "Ann/\udcff.jpg", "A/B/1.jpg"),
    "x" * 250 + "/1.jpg",
]
NAME_FILES = [b'{"version": 1, "name": "Bob"}', b'{"version": 1, "name": "A\\nB"}']
CONTENTS = [b"", *GOOD.values(), *DEEP.values(), *NAME_FILES]


def _files(random: Random) -> list[tuple[str, bytes]]:
    """Files to be laid into the folder, by their paths."""
    return [(random.choice(PATHS), random.choice(CONTENTS)) for _ in range(random.randrange(1, 6))]


def _folder(folder: Path) -> Callable[[list[tuple[str, bytes]]], None]:
    def read(files: list[tuple[str, bytes]]) -> None:
        faces = folder / "faces"
        shutil.rmtree(faces, ignore_errors=True)
        faces.mkdir()
        for name, data in files:
            path = faces / name
            if not path.parent.is_dir():
                path.parent.mkdir(parents=True)
            path.write_bytes(data)
        loaded = load_folder(faces, "net", enrolled, allow_empty=True)
        for person in loaded.gallery.people:
            person.encode()
        if any("\n" in person for person in loaded.gallery.people):
            raise WrongAnswerError(f"people {loaded.gallery.people}")
        scan(faces, allow_empty=True)

    return read


KINDS = (
    Kind(
        "embeddings",
        _cache,
        {"mutants": mutants([SAVED], words=[b"PK\1\2", b"PK\5\6"]), "members": members(SAVED), "made up": made_up},
        {"good": SAVED, "nothing": b"", "a bomb": BOMB},
        share=4,
    ),
    Kind("folders of photos", _folder, {"files": _files}, {}, share=2),
)
