"""Why events said what they said, on disk: whole, private, bounded, erased with the person."""

import errno
import io
import json
import os
import stat
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from camwatch.errors import StateError
from camwatch.names import name_digest
from camwatch.publishing import accounts, archive
from camwatch.publishing.accounts import ACCOUNTS_FOLDER, file_of, read_account, to_bytes
from camwatch.publishing.archive import Archive
from camwatch.publishing.traces import traces
from camwatch.records import (
    IGNORED,
    Account,
    Candidate,
    Condition,
    Embedding,
    EventType,
    NearPhoto,
    Picture,
    Quality,
    UsedFace,
)
from tests.publishing.events import event, keep

NOW = 1_795_000_000.0
RNG = np.random.default_rng(6)


def embedding() -> Embedding:
    vector = RNG.standard_normal(512)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def chip(value: int) -> Picture:
    return np.full((160, 160, 3), (value, 20, 200), np.uint8)


def account(person: str = "Zoë", other: str = "Bob") -> Account:
    good = Quality(80.5, 44.0, 0.1, 0.9)
    faces = tuple(UsedFace(NOW + number, good, chip(number) if number else None, embedding()) for number in range(3))
    return Account(
        network="net",
        people=2,
        photos=5,
        threshold_from="rate",
        pooled=embedding(),
        faces=faces,
        face_scores=((0.7, 0.1), (0.6, 0.2), (0.5, -0.3)),
        poor=1,
        unused=(("too_small", 2),),
        candidates=(Candidate(person, 0.71), Candidate(other, 0.2)),
        rival=True,
        untold=("", ""),
        taken=("Cleo",),
        against=None,
        photos_near=(NearPhoto(person, f"{person}/1.jpg", 0.8),),
        naming=(Condition("faces", 3, 3), Condition("lead", None, 0.05)),
        unknown=(Condition("score", 0.71, 0.4, below=True),),
    )


def whole_of(*, seen: float = NOW, chip_shape: tuple[int, ...] | None = None) -> bytes:
    """An account with whole checksums, and something odd in it."""
    with np.load(io.BytesIO(to_bytes(account()))) as loaded:
        arrays = dict(loaded)
    index = json.loads(arrays["index"].tobytes())
    index["faces"][0][0] = seen
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    if chip_shape is not None:
        arrays["chip_1"] = np.zeros(chip_shape, np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def kept(folder: Path, *, faces: bool = True, keep: int = 10) -> Archive:
    return Archive(folder, faces=faces, keep=keep, max_age=1e6)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ACCOUNTS_FOLDER).iterdir())


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    told = event(account=account(), visit_id="v")
    keep(kept(tmp_path), told, NOW)
    file = file_of(tmp_path, "v", 1)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    read = read_account(file)
    assert read is not None
    for one in fields(Account):
        if one.name not in ("faces", "pooled"):
            assert getattr(read, one.name) == getattr(told.account, one.name), one.name
    assert np.array_equal(read.pooled, told.account.pooled)
    for before, after in zip(told.account.faces, read.faces, strict=True):
        assert (before.seen, before.quality) == (after.seen, after.quality)
        assert np.array_equal(before.embedding, after.embedding)
        assert (before.chip is None) == (after.chip is None)
        assert after.chip is None or abs(after.chip.astype(int) - before.chip).max() < 12, "the colours in their order"


def test_without_pictures_of_faces_there_are_numbers_only(tmp_path: Path) -> None:
    keep(kept(tmp_path, faces=False), event(account=account(), visit_id="v", chip=chip(3)), NOW)
    read = read_account(file_of(tmp_path, "v", 1))
    assert read is not None and read.pooled is None
    assert [face.chip for face in read.faces] == [None] * 3 and not any(face.embedding.size for face in read.faces)
    assert read.face_scores == account().face_scores
    assert not (tmp_path / "snapshots").exists()


def test_faces_that_are_switched_off_later_are_kept_no_more(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    archived.keep_no_faces()
    assert keep(archived, event(account=account(), visit_id="v", chip=chip(3)), NOW) is None
    read = read_account(file_of(tmp_path, "v", 1))
    assert read is not None and read.pooled is None and not list((tmp_path / "snapshots").iterdir())


def test_the_end_of_a_decided_visit_leaves_the_faces_to_the_decision(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    keep(archived, event(event_type=EventType.ENDED, account=account(), visit_id="v", seq=2), NOW)
    undecided = event(event_type=EventType.ENDED, account=account(), visit_id="w", person=None, reason="blurred")
    keep(archived, undecided, NOW)
    decided, never = read_account(file_of(tmp_path, "v", 2)), read_account(file_of(tmp_path, "w", 1))
    assert decided is not None and decided.pooled is None
    assert never is not None and never.pooled is not None


def test_what_is_missing_is_none_and_what_is_damaged_is_one_line(tmp_path: Path) -> None:
    assert read_account(tmp_path / "v.1.npz") is None
    whole = to_bytes(account())
    for name, content in {
        "cut.npz": whole[:-200],
        "other.npz": b"PK no",
        "newer.npz": whole.replace(b'{"version":1', b'{"version":2'),
        "fewer.npz": to_bytes(replace(account(), candidates=(Candidate("Zoë", 0.7),))),
        "empty.npz": b"",
        "when.npz": whole_of(seen=1e30),
        "never.npz": whole_of(seen=float("inf")),
        "no chip.npz": whole_of(chip_shape=(0,)),
        "flat chip.npz": whole_of(chip_shape=(3, 3)),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(StateError, match=rf"{name}: (damaged, no account|version 2 of an account)") as raised:
            read_account(tmp_path / name)
        assert "\n" not in str(raised.value)


def test_they_are_bounded_by_number_and_age(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    for number in range(9):
        keep(archived, event(account=account(), visit_id=f"v{number}"), NOW + number)
    archive.prune(tmp_path, keep=2, max_age=1e6, now=NOW + 10)
    assert files(tmp_path) == [f"v{number}.1.npz" for number in range(5, 9)], "two for each visit"
    archive.prune(tmp_path, keep=2, max_age=3.5, now=NOW + 10)
    assert files(tmp_path) == ["v7.1.npz", "v8.1.npz"]


def test_who_is_forgotten_is_in_none_of_them(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    keep(archived, event(account=account("Zoë", "Bob"), visit_id="hers"), NOW)
    keep(archived, event(account=account("Bob", "Zoë"), visit_id="his"), NOW)
    keep(archived, event(account=account("Bob", "Ann"), visit_id="theirs"), NOW)
    keep(archived, event(account=replace(account("Bob", "Ann"), taken=("Zoë",)), visit_id="beside"), NOW)
    assert len(traces(tmp_path, "Zoë")) == 3
    archive.erase_person(tmp_path, "Zoë", ["hers"])
    assert files(tmp_path) == ["theirs.1.npz"]
    assert traces(tmp_path, "Zoë") == []
    archive.erase_orphans(tmp_path, {"elsewhere"})
    assert files(tmp_path) == []


def test_a_picture_that_cannot_be_erased_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(kept(tmp_path), event(visit_id="v", chip=chip(1)), NOW)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StateError, match=r"v\.jpg: cannot be erased: Read-only file system"):
        archive.erase_person(tmp_path, "Zoë", ["v"])


def test_pictures_of_others_stay(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    keep(archived, event(visit_id="v1", chip=chip(1)), NOW)
    keep(archived, event(visit_id="v2", chip=chip(1)), NOW)
    archive.erase_person(tmp_path, "Zoë", ["v1", "never taken", "../v2"])
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["v2.jpg"]
    archive.erase_person(tmp_path / "missing", "Zoë", ["v1"])


def test_whatever_is_wrong_with_an_account_costs_the_event_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archived = kept(tmp_path)
    odd = replace(account(), photos_near=(NearPhoto("Zoë", "gr\udcfc\udcdf.jpg", 0.8),))
    for number in range(3):
        assert keep(archived, event(number, account=odd, visit_id=f"v{number}", chip=chip(3)), NOW) == f"v{number}.jpg"
    assert len(caplog.messages) == 1 and "events go without" in caplog.text and not files(tmp_path)
    keep(archived, event(account=account(), visit_id="v"), NOW)
    assert files(tmp_path) == ["v.1.npz"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    (tmp_path / ACCOUNTS_FOLDER).rmdir()
    keep(archived, event(account=account(), visit_id="v"), NOW)
    assert files(tmp_path) == ["v.1.npz"]


def test_what_is_no_account_stops_neither_pruning_nor_forgetting(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    for number in range(4):
        keep(archived, event(account=account(), visit_id=f"v{number}", chip=chip(1)), NOW + number)
    folder = tmp_path / ACCOUNTS_FOLDER
    (folder / "old.1.npz").mkdir()
    (tmp_path / "snapshots" / "old.jpg").mkdir()
    os.mkfifo(folder / "pipe.1.npz")
    (folder / "linked.1.npz").symlink_to(tmp_path / "elsewhere.npz")
    with (folder / "huge.1.npz").open("wb") as file:
        file.truncate(10**9)
    os.utime(folder / "huge.1.npz", (NOW, NOW))
    archive.prune(tmp_path, keep=1, max_age=1e6, now=NOW + 10)
    assert [one for one in files(tmp_path) if one.startswith("v")] == ["v2.1.npz", "v3.1.npz"]
    archive.erase_person(tmp_path, "Zoë", [])
    assert [one for one in files(tmp_path) if one.startswith("v")] == []


def test_a_visit_that_went_on_as_hers_loses_its_picture_with_her(tmp_path: Path) -> None:
    archived = kept(tmp_path)
    search = replace(account("Zoë", "Bob"), naming=(Condition("score", 0.7, 0.5), Condition("faces", 5, 3)))
    like_her = replace(search, naming=(Condition("score", 0.4, 0.5), Condition("faces", 5, 3)))
    untold = (Candidate("somebody to be ignored", 0.71), Candidate("Bob", 0.2))
    hidden = replace(search, candidates=untold, untold=(name_digest("Zoë"), ""), photos_near=())
    of_another = replace(hidden, untold=(name_digest("Zoe"), ""))
    for name, one in {"joined": search, "stranger": like_her, "hidden": hidden, "another": of_another}.items():
        keep(archived, event(account=one, visit_id=name, person=None, chip=chip(1)), NOW)
    before = replace(account("Bob", "Ann"), taken=(), photos_near=())  # others were more alike than she then
    keep(archived, event(event_type=EventType.UNKNOWN, account=before, visit_id="joined", seq=0), NOW)
    archive.erase_person(tmp_path, "Zoë", [])
    assert files(tmp_path) == ["another.1.npz"]
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == ["another.jpg", "stranger.jpg"]


def test_where_the_disk_is_full_the_older_accounts_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archived = kept(tmp_path)
    for number in range(5):
        keep(archived, event(account=account(), visit_id=f"v{number}"), NOW + number)
    assert archived.make_room(NOW) == 0 and len(files(tmp_path)) == 5, "there is room"
    monkeypatch.setattr(archive, "_SCARCE", 10**18)
    assert archived.make_room(NOW) == 3 and files(tmp_path) == ["v3.1.npz", "v4.1.npz"]
    assert [archived.make_room(NOW + one) for one in range(9)] == [0] * 9, "once in a while"
    assert archived.make_room(NOW + 10) == 1


def test_accounts_of_before_are_read_and_found(tmp_path: Path) -> None:
    with np.load(io.BytesIO(to_bytes(account()))) as loaded:
        arrays = dict(loaded)
    index = json.loads(arrays["index"].tobytes())
    for later in ("rival", "untold", "poor"):
        del index[later]
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, **arrays)
    archived = kept(tmp_path)
    keep(archived, event(account=account(), visit_id="v", person=None, chip=chip(1)), NOW)
    file_of(tmp_path, "v", 1).write_bytes(content.getvalue())
    read = read_account(file_of(tmp_path, "v", 1))
    assert read is not None and (read.rival, read.untold, read.poor) == (True, (), -1)
    assert accounts.went_on_as(file_of(tmp_path, "v", 1), "Zoë") is False, "no similarity was searched with"


def test_of_who_is_to_be_ignored_no_face_is_kept(tmp_path: Path) -> None:
    archived = Archive(tmp_path, faces=True, keep=10, max_age=1e6)
    his = event(event_type=EventType.ENDED, account=account(), visit_id="v", person=None, reason=IGNORED)
    keep(archived, his, NOW)
    read = read_account(file_of(tmp_path, "v", 1))
    assert read is not None and read.pooled is None and all(face.chip is None for face in read.faces)


def test_numbers_that_are_none_are_damage(tmp_path: Path) -> None:
    whole = account()
    spoilt = [replace(face, embedding=face.embedding * np.float32("nan")) for face in whole.faces]
    file = tmp_path / "v.1.npz"
    file.write_bytes(to_bytes(replace(whole, faces=tuple(spoilt))))
    with pytest.raises(StateError, match="damaged"):
        read_account(file)
    file.write_bytes(to_bytes(whole))
    with np.load(io.BytesIO(file.read_bytes())) as loaded:
        arrays = dict(loaded)
    index = json.loads(arrays["index"].tobytes())
    index["naming"][0][1] = float("nan")
    arrays["index"] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez(file, **arrays)
    with pytest.raises(StateError, match="damaged"):
        read_account(file)


def test_the_picture_is_published_with_the_decision_and_not_with_the_end() -> None:
    assert archive.shows_face(event(chip=chip(1)))
    assert not archive.shows_face(event(event_type=EventType.ENDED, chip=chip(1)))


def test_nothing_is_read_of_what_is_too_large_for_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 10)
    (tmp_path / "a").write_bytes(b"x" * 11)
    (tmp_path / "b").write_bytes(b"x" * 10)
    assert archive._content(tmp_path / "a") == b"" and archive._content(tmp_path / "b") == b"x" * 10


def test_what_cannot_be_pruned_stops_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archived = Archive(tmp_path, faces=True, keep=10, max_age=1e6)
    for number in range(4):
        keep(archived, event(account=account(), visit_id=f"v{number}", chip=chip(1)), NOW + number)
    real = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.name == "v0.jpg":
            raise PermissionError(1, "Operation not permitted")
        real(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(PermissionError):
        archive.prune(tmp_path, keep=1, max_age=1e6, now=NOW + 10)
    assert sorted(path.name for path in (tmp_path / "snapshots").iterdir()) == ["v0.jpg", "v3.jpg"]
    assert sorted(path.name for path in (tmp_path / "accounts").iterdir()) == ["v2.1.npz", "v3.1.npz"]


def test_an_account_of_somebody_to_be_ignored_is_a_trace(tmp_path: Path) -> None:
    hidden = replace(
        account("Ann", "somebody to be ignored"), untold=("", name_digest("Zoë")), taken=(), photos_near=()
    )
    keep(Archive(tmp_path, faces=True, keep=10, max_age=1e6), event(account=hidden, visit_id="v", person="Ann"), NOW)
    assert len(traces(tmp_path, "Zoë")) == 1 and traces(tmp_path, "Zoe") == []
