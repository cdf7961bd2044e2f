"""`forget` leaves nothing behind, proves it, and says what it could not reach."""

import hashlib
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from camwatch.config.model import load
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.errors import InputError, StateError
from camwatch.identification.cache import read_cache, write_cache
from camwatch.identification.faces import scan
from camwatch.publishing.accounts import ACCOUNTS_FOLDER, Accounts
from camwatch.publishing.discovery import Discovery
from camwatch.publishing.events import encode, payload
from camwatch.publishing.kept import Kept
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.publishing.requests import Requests
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER, Snapshots
from camwatch.publishing.topics import Topics
from camwatch.records import Enrolled, Event, EventType, Picture, Quality
from camwatch.tools.enroll import enroll
from camwatch.tools.forget import _in_gallery, at_broker, forget
from tests.conftest import Footage
from tests.publishing.test_accounts import account
from tests.rigs.mosquitto import Mosquitto, Subscriber
from tests.tools.pictures import frames, save

TOPICS = Topics("camwatch", "nvr")
SERVICE = "homeassistant/device/camwatch_nvr/config"


def forgotten(name: str, faces: Path, state: Path | None, **more) -> tuple[int, list[str], list[str]]:
    """The exit status, and the lines of stdout and of stderr."""
    results, notes = io.StringIO(), io.StringIO()
    status = forget(name, faces, state, results=results, notes=notes, **more)
    return status, results.getvalue().splitlines(), notes.getvalue().splitlines()


def gallery(folder: Path, *people: str) -> Path:
    for number, person in enumerate(people):
        save(np.full((9, 9, 3), number, np.uint8), folder / "faces" / person / "1.png")
    return folder / "faces"


def keep_visits(state: Path, people: dict[str, str], *, acknowledged: bool = True) -> None:
    """A state directory as the daemon leaves it."""
    state.mkdir()
    outbox, _ = Outbox.open(state / EVENTS_FILE, 0.0)
    snapshots = Snapshots(state / SNAPSHOTS_FOLDER, keep=10, max_age=100.0)
    accounts = Accounts(state / ACCOUNTS_FOLDER, faces=True, keep=10, max_age=100.0)
    for visit, person in people.items():
        for number, kind in enumerate((EventType.RECOGNIZED, EventType.ENDED), 1):
            event = Event(
                kind, f"{visit}-{number}", visit, number, "door", person, 0.9, 0.5, 0.01, None, 3, 3, 0.9,
                (0.1, 0.1, 0.2, 0.2), 0.0, 1.0, 1.0, None, None, None,
            )  # fmt: skip
            accounts.save(replace(event, account=account(person)), 0.0)
            outbox.put([(event, encode(payload(event, node="nvr", late=False, snapshot=f"{visit}.jpg")))], 0.0)
            if acknowledged:
                outbox.acknowledge([event.event_id], 0.0)
        snapshots.save(visit, np.zeros((20, 20, 3), np.uint8), 0.0)
    outbox.close()


def keep_topics(state: Path, *people: str) -> dict[str, bytes]:
    """What a daemon notes of the broker; the messages that the broker then has."""
    kept = Kept(state / "kept.json")
    slugs = kept.slugs(people)
    discovery = Discovery(
        state / "discovery.json", topics=TOPICS, cameras=["door"], prefix="homeassistant", style="device", images=True
    )
    messages = {
        topic: message or b"" for topic, message in discovery.announce({s: p for p, s in slugs.items()}).items()
    }
    messages |= {TOPICS.person_state(slug): encode({"person": person}) for person, slug in slugs.items()}
    messages[TOPICS.camera_state("door")] = encode({"last_person": people[0]})
    messages[TOPICS.camera_image("door")] = b"face"
    for topic in messages:
        kept.set(topic, people[0] if topic.endswith("/image") else "")
    kept.save()
    return messages


@pytest.mark.weights
def test_who_is_forgotten_leaves_nothing(footage: Footage, analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    man: list[Picture] = frames(footage.path("single_face.mp4"), (0, 40))
    woman = frames(footage.path("WolfgangLanger_Pexels.mp4"), (0,))
    faces, state = tmp_path / "faces", tmp_path / "state"
    quiet = {"analyzer": analyzer, "results": io.StringIO(), "notes": io.StringIO()}
    enroll("Adam", [save(man[0], tmp_path / "a.png"), save(man[1], tmp_path / "b.png")], faces, **quiet)
    enroll("Eve", [save(woman[0], tmp_path / "e.png")], faces, **quiet)
    keep_visits(state, {"visit-1": "Adam", "visit-2": "Eve", "visit-3": "Adam"})

    status, lines, _ = forgotten("Adam", faces, state)
    assert status == 0
    assert lines[2:] == [
        "Adam: photos erased: 2, embeddings erased: 2",
        "Adam: snapshots erased: 2",
        "Adam: accounts of events erased: 4",
        "Adam: visits erased: 2",
        "Adam: retained messages taken back: 0",
        f"nothing of Adam is left in {faces}, {state}",
    ]
    assert scan(faces).people == ("Eve",)
    assert len(read_cache(faces, analyzer.network)) == 1
    assert [path.name for path in faces.iterdir() if path.is_dir()] == ["eve"]
    assert [path.name for path in (state / SNAPSHOTS_FOLDER).iterdir()] == ["visit-2.jpg"]
    assert b"Adam" not in (state / EVENTS_FILE).read_bytes()
    assert b"Eve" in (state / EVENTS_FILE).read_bytes()


def test_the_history_goes_even_where_the_photos_are_gone_already(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Eve Adams"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    status, lines, _ = forgotten("Adam", faces, state)
    assert status == 0
    assert lines == [
        f"Adam: no photos in {faces}",
        "Adam: snapshots erased: 1",
        "Adam: accounts of events erased: 2",
        "Adam: visits erased: 1",
        "Adam: retained messages taken back: 0",
        f"nothing of Adam is left in {faces}, {state}",
    ]


def test_wrong_names_and_folders_and_a_damaged_history_change_nothing(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Eve Adams"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    with pytest.raises(InputError, match="nobody is called 'eve adam'; did you mean Eve Adams"):
        forget("eve adam", faces, state)
    with pytest.raises(InputError, match="nobody is called 'Zed'; people enrolled: 1"):
        forget("Zed", faces, None)
    with pytest.raises(InputError, match="elsewhere: no such folder"):
        forget("Eve Adams", faces, tmp_path / "elsewhere")
    assert Requests(state).waiting() == []
    (state / EVENTS_FILE).write_bytes(b"no database" * 100)
    with pytest.raises(StateError):
        forget("Eve Adams", faces, state)
    assert scan(faces).people == ("Eve Adams",)


def test_without_the_state_only_the_gallery_is_spoken_for(tmp_path: Path) -> None:
    faces = gallery(tmp_path, "Adam")
    status, lines, notes = forgotten("Adam", faces, None)
    assert (status, lines[-1]) == (0, f"nothing of Adam is left in {faces}")
    assert "--state DIR or --config FILE" in notes[0]
    assert "nobody is left" in notes[1]


def test_a_state_in_which_no_daemon_has_run_gets_no_database(tmp_path: Path) -> None:
    faces = gallery(tmp_path, "Adam", "Eve")
    (tmp_path / "state").mkdir()
    assert forgotten("Adam", faces, tmp_path / "state")[0] == 0
    assert list((tmp_path / "state").iterdir()) == []


def test_without_a_way_to_the_broker_it_says_what_the_broker_keeps(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Zoë Q", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Zoë Q"})
    keep_topics(state, "Zoë Q", "Eve")
    status, lines, notes = forgotten("Zoë Q", faces, state)
    assert status == 1
    assert "Zoë Q: visits erased: 1" in lines
    [left] = notes
    assert left.startswith(
        "left: the broker may keep camwatch/nvr/camera/door/image, camwatch/nvr/person/zoe_q/state, "
    )
    assert "no --config FILE says where the broker is; the next start of camwatch clears it" in left
    for path in state.rglob("*"):
        assert not path.is_file() or ("Zoë" not in (text := path.read_text("utf-8", "replace")) and "Zo\\u" not in text)
    [request] = Requests(state).waiting()
    assert (request.person, request.slug) == (None, "zoe_q")


def test_a_daemon_that_does_not_answer_is_told_of_and_does_it_later(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Adam", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    daemon, _ = Outbox.open(state / EVENTS_FILE, 0.0)
    status, lines, notes = forgotten("Adam", faces, state, patience=0.5)
    daemon.close()
    assert status == 1
    assert "Adam: visits erased: 0" in lines
    assert any(f"{state / EVENTS_FILE}: names Adam" in line for line in notes)
    assert any("camwatch clears it when the broker is there" in line for line in notes)
    assert Requests(state).waiting()[0].person == "Adam"
    status, lines, notes = forgotten("Adam", faces, state)
    assert (status, notes) == (0, []), "the daemon is gone: it is done here, the older request too"
    assert Requests(state).waiting() == []


@pytest.mark.parametrize("name", ["", "  ", "a\udcffb", "a\nb"])
def test_what_is_no_name_is_refused_and_nothing_is_touched(tmp_path: Path, name: str) -> None:
    faces, state = gallery(tmp_path, "Ann"), tmp_path / "state"
    keep_visits(state, {"v": "Ann"})
    keep_topics(state, "Ann")
    before = (state / "kept.json").read_bytes()
    with pytest.raises(InputError, match="not a name"):
        forgotten(name, faces, state)
    assert (state / "kept.json").read_bytes() == before
    assert not (state / "forget").exists()


def cached(faces: Path, *photos: Path | str) -> None:
    """A cache with a row for each photo, or for one that is not there any more."""
    rows = []
    for number, photo in enumerate(photos):
        digest = photo if isinstance(photo, str) else hashlib.sha256(photo.read_bytes()).hexdigest()
        looks = np.eye(1, 512, number, dtype=np.float32)
        rows.append(Enrolled("somebody", f"{number}.png", digest, looks, Quality(80, 50, 0, 1)))
    write_cache(faces, "net", rows)


@pytest.mark.parametrize("folder_too", [False, True])
def test_embeddings_of_photos_that_were_removed_by_hand_go_too(tmp_path: Path, folder_too: bool) -> None:
    faces, state = gallery(tmp_path, "Ann", "Bob"), tmp_path / "state"
    keep_visits(state, {"v": "Ann"})
    cached(faces, faces / "Ann" / "1.png", faces / "Bob" / "1.png", "0" * 64)
    if folder_too:
        shutil.rmtree(faces / "Ann")
    status, lines, left = forgotten("Ann", faces, state)
    assert (status, left) == (0, [])
    assert lines[-1] == f"nothing of Ann is left in {faces}, {state}"
    assert set(read_cache(faces, "net")) == {hashlib.sha256((faces / "Bob" / "1.png").read_bytes()).hexdigest()}


def test_a_picture_of_a_visit_that_nobody_knows_goes_too(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Ann", "Bob"), tmp_path / "state"
    keep_visits(state, {"v": "Ann", "w": "Bob"})
    (state / SNAPSHOTS_FOLDER / "of-a-database-that-was-damaged.jpg").write_bytes(b"face")
    (state / SNAPSHOTS_FOLDER / ".v.jpg.x.new").write_bytes(b"half a face")
    assert forgotten("Ann", faces, state)[0] == 0
    assert [path.name for path in (state / SNAPSHOTS_FOLDER).iterdir()] == ["w.jpg"]


def test_photos_that_links_led_to_are_named(tmp_path: Path) -> None:
    faces = gallery(tmp_path, "Ann", "Bob")
    album = save(np.full((9, 9, 3), 77, np.uint8), tmp_path / "album" / "holiday.png")
    (faces / "Ann" / "2.png").symlink_to(album)
    status, _, left = forgotten("Ann", faces, None)
    assert status == 1
    assert f"left: {album}: a photo of Ann, which a link in the gallery led to" in left
    assert album.exists() and not (faces / "Ann").exists()


def test_what_cannot_be_erased_is_named(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Adam", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    aside = state / f"{EVENTS_FILE}.damaged-20261124T021011Z"
    aside.write_bytes((state / EVENTS_FILE).read_bytes())
    status, lines, notes = forgotten("Adam", faces, state)
    assert status == 1
    assert notes == [f"left: {aside}: names Adam; a damaged database that was kept aside: remove it"]
    assert not any("nothing of Adam" in line for line in lines)


@pytest.mark.system
@pytest.mark.parametrize("style", ["device", "component"])
def test_the_broker_is_cleared_while_no_daemon_runs(tmp_path: Path, mosquitto, style: str) -> None:
    faces, state = gallery(tmp_path, "Zoë Q", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Zoë Q", "visit-2": "Eve"})
    messages = keep_topics(state, "Zoë Q", "Eve")
    broker: Mosquitto = mosquitto()
    config = tmp_path / "camwatch.yml"
    config.write_text(
        json.dumps(
            {
                "node": "nvr",
                "mqtt": {"host": broker.host, "port": broker.port, "discovery_style": style},
                "recognition": {"faces": str(faces)},
                "events": {"state": str(state)},
                "cameras": {"door": {"source": "rtsp://127.0.0.1:1/x"}},
            }
        )
    )
    with Subscriber(broker) as other:
        for topic, message in messages.items():
            other.publish(topic, message, retain=True)
        other.wait_for(lambda found: len(found) == len(messages))
        status, lines, notes = forgotten("Zoë Q", faces, state, broker=at_broker(load(config)))
        assert (status, notes) == (0, [])
        assert "Zoë Q: retained messages taken back: 3" in lines
        if style == "device":
            other.wait_for(lambda _: len(other.on(SERVICE)) == 3)
            stages = [json.loads(m.payload)["components"].get("person_zoe_q_present") for m in other.on(SERVICE)]
            assert stages[1:] == [{"platform": "binary_sensor"}, None]
    with Subscriber(broker) as late:
        late.publish("end", b"")
        late.wait_for(lambda found: any(m.topic == "end" for m in found))
        keeps = {m.topic: m.payload for m in late.messages if m.retain}
    assert TOPICS.person_state("eve") in keeps
    assert TOPICS.camera_image("door") not in keeps
    for topic, message in keeps.items():
        assert "zoe_q" not in topic and "Zoë".encode() not in message and b"zoe_q" not in message, topic
    assert not any(m.topic == TOPICS.status for m in late.messages), "nobody claimed to be there"
    again = forgotten("Eve", faces, state, broker=at_broker(load(config)))
    assert again[0] == 0, again


@pytest.mark.system
def test_a_broker_that_is_away_is_told_of_and_cleared_with_the_next_try(tmp_path: Path, mosquitto, free_port) -> None:
    faces, state = gallery(tmp_path, "Adam", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    keep_topics(state, "Adam", "Eve")
    config = tmp_path / "camwatch.yml"
    text = "node: nvr\nmqtt: {{host: 127.0.0.1, port: {}}}\ncameras: {{door: {{source: rtsp://127.0.0.1:1/x}}}}\n"
    config.write_text(text.format(free_port))
    status, lines, notes = forgotten("Adam", faces, state, broker=at_broker(load(config)))
    assert status == 1
    assert "Adam: visits erased: 1" in lines
    assert "cannot connect: Connection refused; the next start of camwatch clears it" in notes[0]
    config.write_text(text.format(mosquitto().port))
    status, lines, notes = forgotten("Adam", faces, state, broker=at_broker(load(config)))
    assert (status, notes) == (0, [])
    assert Requests(state).waiting() == []


def test_who_has_a_name_that_nobody_can_be_told_by_is_forgotten_and_kept_like_others(tmp_path: Path) -> None:
    faces = gallery(tmp_path, "Adam", "unknown")
    cached(faces, faces / "Adam" / "1.png", faces / "unknown" / "1.png")
    assert forgotten("Adam", faces, None)[0] == 0
    assert len(read_cache(faces, "net")) == 1, "the other's"
    assert any("a photo of unknown" in line for line in _in_gallery("unknown", faces))
    assert forgotten("unknown", faces, None)[0] == 0 and not (faces / "unknown").exists()


def test_what_a_crash_left_of_the_daemons_files_goes(tmp_path: Path) -> None:
    faces, state = gallery(tmp_path, "Adam", "Eve"), tmp_path / "state"
    keep_visits(state, {"visit-1": "Adam"})
    (state / ".kept.json.abcd.new").write_text('{"slugs":{"adam":"Adam"},"person":"Adam"}')
    assert forgotten("Adam", faces, state)[::2] == (0, [])
    assert not (state / ".kept.json.abcd.new").exists()


def test_embeddings_of_nobody_in_the_cache_are_left_and_told(tmp_path: Path) -> None:
    faces = gallery(tmp_path, "Adam")
    cached(faces, faces / "Adam" / "1.png")
    assert _in_gallery("Eve", faces) == []
    cached(faces, faces / "Adam" / "1.png", "0" * 64)
    [line] = _in_gallery("Eve", faces)
    assert line.endswith(".embeddings.npz: embeddings of photos that are not there any more")
