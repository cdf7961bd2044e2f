"""Why events said what they said: one file for each event, with the faces that it rests on.

A file is an `.npz` without compression: `index`, a JSON text as bytes with the version and all numbers and names;
and, where faces may be kept, `pooled` (dimensions,) and `embeddings` (faces, dimensions) float32 with a JPEG for each
face that has a chip, `chip_0`, `chip_1`, ... as bytes.
"""

import io
import math
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.arrays import read_arrays
from camwatch.errors import StateError
from camwatch.files import from_json
from camwatch.names import name_digest
from camwatch.publishing.events import encode
from camwatch.publishing.shelf import Shelf
from camwatch.publishing.snapshots import jpeg
from camwatch.records import (
    IGNORED,
    Account,
    Candidate,
    Condition,
    Event,
    EventType,
    NearPhoto,
    Picture,
    Quality,
    UsedFace,
    suffices,
)

ACCOUNTS_FOLDER = "accounts"
"""Name of the folder within the state directory."""
SUFFIX = ".npz"
LARGEST = 8_000_000
"""Bytes that no account has."""
_VERSION = 1


class Accounts:
    """The folder of accounts: files `VISIT_ID.SEQ.npz`; see `Shelf` for the arguments.

    Args:
        faces: Whether chips and embeddings are kept too, or only what was made of them.

    Attributes:
        faces: As given; may be changed.

    Raises:
        StateError: The folder cannot be made.
    """

    def __init__(self, folder: Path, *, faces: bool, keep: int, max_age: float) -> None:
        """Make the folder."""
        self.faces = faces
        self._shelf = Shelf(folder, SUFFIX, what="account", keep=keep, max_age=max_age)

    def save(self, event: Event, now: float) -> None:
        """Write an event's account, where it has one. `now` is UTC seconds.

        The end of a visit that was decided comes without faces: the event that decided it has them. So does the visit
        of somebody who is to be ignored.

        Raises:
            StateError: The file cannot be written.
            ValueError: The visit id cannot be a file name.
        """
        if event.account is not None:
            over = event.event_type is EventType.ENDED and event.reason in (None, IGNORED)
            content = to_bytes(event.account, faces=self.faces and not over)
            self._shelf.put(event.visit_id, content, now, number=event.seq)

    def halve(self) -> int:
        """Remove the older half; returns how many went.

        Raises:
            OSError: One cannot be removed.
        """
        return self._shelf.halve()

    def prune(self, now: float) -> int:
        """Remove accounts that are too old, then the oldest beyond the number; returns how many went."""
        return self._shelf.prune(now)


def file_of(state: Path, visit_id: str, seq: int) -> Path:
    """Where the account of an event is, if there is one."""
    return state / ACCOUNTS_FOLDER / f"{visit_id}.{seq}{SUFFIX}"


def to_bytes(account: Account, *, faces: bool = True) -> bytes:
    """The file of an account.

    Args:
        account: Why.
        faces: Whether chips and embeddings are to be in it.
    """
    index = {
        "version": _VERSION,
        "network": account.network,
        "people": account.people,
        "photos": account.photos,
        "threshold_from": account.threshold_from,
        "unused": [list(one) for one in account.unused],
        "candidates": [{"person": one.person, "score": one.score} for one in account.candidates],
        "rival": account.rival,
        "untold": list(account.untold),
        "poor": account.poor,
        "taken": [{"person": person} for person in account.taken],
        "against": account.against,
        "photos_near": [{"person": p.person, "photo": p.photo, "score": p.score} for p in account.photos_near],
        "naming": [list(astuple(one)) for one in account.naming],
        "unknown": [list(astuple(one)) for one in account.unknown],
        "faces": [[face.seen, *astuple(face.quality)] for face in account.faces],
        "face_scores": [list(scores) for scores in account.face_scores],
    }
    arrays: dict[str, Any] = {"index": np.frombuffer(encode(index), np.uint8)}
    if faces and account.pooled is not None and account.faces:
        arrays["pooled"] = account.pooled
        arrays["embeddings"] = np.stack([face.embedding for face in account.faces])
        for number, face in enumerate(account.faces):
            if face.chip is not None:
                arrays[f"chip_{number}"] = np.frombuffer(jpeg(face.chip), np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def read_account(path: Path) -> Account | None:
    """The account in a file, None where there is no such file.

    Raises:
        StateError: It cannot be read, is damaged, or was written by a newer version.
    """
    try:
        arrays = read_arrays(path)
        fields = from_json(arrays["index"].astype(np.uint8, casting="safe").tobytes())
        if fields["version"] != _VERSION:
            raise StateError(f"{path}: version {fields['version']} of an account, this camwatch knows {_VERSION}")
        return _account(fields, arrays)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        raise StateError(f"{path}: damaged, no account of an event ({error})") from error


def went_on_as(path: Path, person: str) -> bool:
    """Whether by this account its visit had all that a name asks for, and is this person's; without its faces.

    False where it cannot be read.
    """
    try:
        fields = from_json(read_arrays(path, only={"index"})["index"].astype(np.uint8, casting="safe").tobytes())
        certain = suffices([_condition(*one) for one in fields["naming"]])
        first, untold = fields["candidates"][0]["person"], (fields.get("untold") or [""])[0]
        mine = untold == name_digest(person) if untold else first == person
        return bool(mine and certain)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        return False


def _account(fields: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Account:
    rows = arrays.get("embeddings", np.zeros((len(fields["faces"]), 0), np.float32))
    pooled = arrays.get("pooled")
    if not np.isfinite(rows).all() or (pooled is not None and not np.isfinite(pooled).all()):
        raise ValueError("embeddings that are none")
    if rows.dtype != np.float32 or rows.ndim != 2 or {len(rows), len(fields["face_scores"])} != {len(fields["faces"])}:
        raise ValueError("faces, embeddings and scores differ")
    if any(len(scores) != len(fields["candidates"]) for scores in fields["face_scores"]):
        raise ValueError("scores and candidates differ")
    faces = [
        UsedFace(_time(seen), Quality(*map(_number, quality)), _chip(arrays.get(f"chip_{number}")), rows[number])
        for number, (seen, *quality) in enumerate(fields["faces"])
    ]
    return Account(
        network=str(fields["network"]),
        people=int(fields["people"]),
        photos=int(fields["photos"]),
        threshold_from=str(fields["threshold_from"]),
        pooled=pooled,
        faces=tuple(faces),
        face_scores=tuple(tuple(map(_number, scores)) for scores in fields["face_scores"]),
        unused=tuple((str(cause), int(count)) for cause, count in fields["unused"]),
        candidates=tuple(Candidate(str(one["person"]), _number(one["score"])) for one in fields["candidates"]),
        rival=bool(fields.get("rival", True)),  # what came with these is older
        untold=tuple(map(str, fields.get("untold", ()))),
        poor=int(fields.get("poor", -1)),
        taken=tuple(str(one["person"]) for one in fields["taken"]),
        against=None if fields["against"] is None else _number(fields["against"]),
        photos_near=tuple(
            NearPhoto(str(one["person"]), str(one["photo"]), _number(one["score"])) for one in fields["photos_near"]
        ),
        naming=tuple(_condition(*one) for one in fields["naming"]),
        unknown=tuple(_condition(*one) for one in fields["unknown"]),
    )


def _condition(name: Any, value: Any, needed: Any, below: Any) -> Condition:
    return Condition(str(name), None if value is None else _number(value), _number(needed), bool(below))


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is no number")
    return number


def _time(value: Any) -> float:
    datetime.fromtimestamp(_number(value), UTC)  # a ValueError or OverflowError where it is no time
    return float(value)


def _chip(data: NDArray[Any] | None) -> Picture | None:
    if data is None:
        return None
    if data.ndim != 1 or not data.size:
        raise ValueError("a chip is no JPEG")
    picture = cv2.imdecode(data.astype(np.uint8, casting="safe"), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("a chip is no JPEG")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
