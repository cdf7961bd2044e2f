"""Decisions on their way out: disk first, nothing thrown away, states neither stale nor chatty."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from camwatch.errors import StateError
from camwatch.identification.evidence import Gates
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.publishing.archive import Archive
from camwatch.publishing.discovery import Discovery
from camwatch.publishing.events import encode, payload
from camwatch.publishing.kept import Kept
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.snapshots import Snapshots
from camwatch.publishing.topics import Topics
from camwatch.records import CameraState, Candidate, Enrolled, Event, EventType, Observation, Quality
from camwatch.service.reporting import REFRESH, Reporting
from camwatch.service.ring import Counter, FrameRing, create_ring
from camwatch.service.telemetry import Telemetry
from tests.identification.scene import face, person

SLOT = 64 * 64 * 3
NOW = 1_000_000.0


class Publisher:
    """Records what would be retained."""

    def __init__(self) -> None:
        self.retained: list[tuple[str, bytes | None]] = []
        self.done: list[str] = []

    def cleared(self) -> list[str]:
        done, self.done = self.done, []
        return done

    def retain(self, topic: str, payload: bytes | None) -> None:
        self.retained.append((topic, payload))

    def last(self, topic: str) -> bytes | None:
        return next(payload for at, payload in reversed(self.retained) if at == topic)


def event(kind: EventType = EventType.RECOGNIZED, *, number: int = 1, person: str | None = "Ann") -> Event:
    return Event(
        event_type=kind,
        event_id=f"event-{number}",
        visit_id="visit",
        seq=number,
        camera="door",
        person=person,
        score=0.8,
        threshold=0.5,
        false_alarm_rate=0.01,
        runner_up=Candidate("Bob", 0.1),
        faces_used=3,
        faces_seen=4,
        quality=0.7,
        box=(0.1, 0.2, 0.3, 0.4),
        first_seen=NOW,
        last_seen=NOW + 1,
        decided_at=NOW + 1,
        captured_monotonic=5.0,
        reason=None,
        chip=np.full((160, 160, 3), 90, np.uint8),
    )


class Setting:
    """A reporting with a real outbox and snapshots."""

    def __init__(self, folder, ring) -> None:
        self.publisher = Publisher()
        self.outbox, _ = Outbox.open(folder / "events.sqlite", NOW)
        self.telemetry = Telemetry({"door": ring})
        self.snapshots = folder / "snapshots"
        self.topics = Topics("camwatch", "test")
        self.folder = folder
        self.reporting = self.another()

    def another(self, *, snapshots: bool = True) -> Reporting:
        """One more reporting over the same state, as after a restart."""
        return Reporting(
            node="test",
            topics=self.topics,
            publisher=self.publisher,
            kept=Kept(self.folder / "kept.json"),
            outbox=self.outbox,
            archive=Archive(self.folder, faces=snapshots, keep=10, max_age=1e6),
            telemetry=self.telemetry,
            gates={"door": Gates()},
            discovery=Discovery(
                self.folder / "discovery.json",
                topics=self.topics,
                cameras=["door"],
                prefix="homeassistant",
                style="device",
                images=snapshots,
            ),
        )


@pytest.fixture
def setting(tmp_path):
    fd = create_ring("door", slot_bytes=SLOT)
    ring = FrameRing(fd, "door", slot_bytes=SLOT)
    setting = Setting(tmp_path, ring)
    yield setting
    setting.outbox.close()
    ring.close()
    os.close(fd)


def test_an_event_is_on_disk_with_its_snapshot_and_shown_on_the_image_topic(setting):
    setting.reporting.events([event()], NOW)
    [pending] = setting.outbox.pending(10)
    stored = json.loads(pending.payload)
    assert (stored["event_id"], stored["person"], stored["node"]) == ("event-1", "Ann", "test")
    assert (setting.snapshots / stored["snapshot"]).read_bytes()[:2] == b"\xff\xd8"
    assert setting.publisher.last("camwatch/test/camera/door/image")[:2] == b"\xff\xd8"
    assert setting.telemetry.cameras["door"].events == {"recognized": 1}


def test_a_full_disk_loses_nothing_and_is_said_once(setting, monkeypatch, caplog):
    real = Outbox.put

    def full(*_args: object, **_more: object) -> None:
        raise StateError("events.sqlite: the disk is full")

    monkeypatch.setattr(Outbox, "put", full)
    setting.reporting.events([event(number=1)], NOW)
    setting.reporting.events([event(EventType.ENDED, number=2)], NOW)
    for second in range(5):
        setting.reporting.every_second(NOW + second, mqtt_connected=True)
    assert setting.outbox.pending(10) == []
    assert setting.telemetry.outbox_events == 2
    assert caplog.text.count("the disk is full") == 1
    monkeypatch.setattr(Outbox, "put", real)
    setting.reporting.every_second(NOW + 6, mqtt_connected=True)
    assert [p.event_id for p in setting.outbox.pending(10)] == ["event-1", "event-2"]
    assert "works again" in caplog.text


def test_what_a_full_disk_refused_to_the_end_is_told(setting, monkeypatch, caplog):
    def full(*_args: object, **_more: object) -> None:
        raise StateError("events.sqlite: the disk is full")

    monkeypatch.setattr(Outbox, "put", full)
    setting.reporting.events([event()], NOW)
    setting.reporting.end(["door"], NOW + 1)
    assert "1 events are lost" in caplog.text


def test_snapshots_that_cannot_be_kept_are_told_once_and_events_go_without(setting, monkeypatch, caplog):
    def full(*_args: object) -> str:
        raise StateError("snapshots: the disk is full")

    monkeypatch.setattr(Snapshots, "save", full)
    setting.reporting.events([event(number=1)], NOW)
    setting.reporting.events([event(EventType.ENDED, number=2)], NOW)
    assert [json.loads(p.payload)["snapshot"] for p in setting.outbox.pending(10)] == [None, None]
    assert caplog.text.count("the disk is full") == 1
    assert "works again" not in caplog.text


def test_a_visit_of_a_camera_that_is_gone_is_ended_too(setting):
    gone = replace(event(), camera="shed", event_id="shed-1", visit_id="shed")
    setting.outbox.put([(gone, encode(payload(gone, node="test", late=False, snapshot=None)))], NOW)
    setting.reporting.begin(["door"], NOW + 100)
    assert [p.camera for p in setting.outbox.pending(10)] == ["shed", "shed"]


def test_visits_left_open_by_a_dead_daemon_are_ended_once(setting, tmp_path):
    setting.reporting.events([event()], NOW)
    setting.reporting.begin(["door"], NOW + 100)
    setting.reporting.begin(["door"], NOW + 200)
    kinds = [p.event_type for p in setting.outbox.pending(10)]
    assert kinds == [EventType.RECOGNIZED, EventType.ENDED]
    assert setting.publisher.last("camwatch/test/camera/door/availability") == b"offline"


def recognizer(*people: str, ignored: frozenset[str] = frozenset()) -> Recognizer:
    rows = np.eye(512, dtype=np.float32)
    enrolled = [Enrolled(p, f"{p}.jpg", p, rows[i : i + 1], Quality(80, 50, 0, 1)) for i, p in enumerate(people)]
    return Recognizer(Gallery(enrolled, "net"), ignored=ignored)


def test_a_change_of_who_is_there_is_told_at_once_and_mere_time_seldom(setting):
    reporting, topic = setting.reporting, "camwatch/test/camera/door/state"
    reporting.gallery_changed(recognizer("Ann"))
    there = CameraState("door", ("Ann",), 0, "Ann", NOW, 0.0)
    count = lambda: len([t for t, _ in setting.publisher.retained if t == topic])  # noqa: E731
    reporting.states(NOW, [(there, {"Ann": NOW}, 1)])
    assert count() == 1
    for second in range(1, int(REFRESH)):
        later = replace(there, last_seen=NOW + second)
        reporting.states(NOW + second, [(later, {"Ann": NOW + second}, 1)])
    assert count() == 1
    reporting.states(NOW + REFRESH, [(replace(there, last_seen=NOW + REFRESH), {"Ann": NOW + REFRESH}, 1)])
    assert count() == 2
    gone = CameraState("door", (), 0, "Ann", NOW + REFRESH, 0.0)
    reporting.states(NOW + REFRESH + 0.1, [(gone, {"Ann": NOW + REFRESH}, 0)])
    assert count() == 3
    person = json.loads(setting.publisher.last("camwatch/test/person/ann/state"))
    assert (person["present"], person["last_camera"]) == (False, "door")


def test_who_leaves_the_gallery_leaves_the_broker(setting):
    setting.reporting.gallery_changed(recognizer("Ann", "Zoë"))
    setting.reporting.states(NOW, [])
    assert setting.publisher.last("camwatch/test/person/zoe/state")
    setting.reporting.gallery_changed(recognizer("Ann"))
    assert setting.publisher.last("camwatch/test/person/zoe/state") is None
    setting.reporting.states(NOW + 1, [])
    assert setting.publisher.last("camwatch/test/person/zoe/state") is None


def test_home_assistant_is_told_who_there_is_and_who_left(setting):
    topic = "homeassistant/device/camwatch_test/config"
    setting.reporting.gallery_changed(recognizer("Ann", "Zoë"))
    told = json.loads(setting.publisher.last(topic))["components"]
    assert told["person_zoe_present"]["name"] == "Zoë present"
    setting.reporting.gallery_changed(recognizer("Ann"))
    told = json.loads(setting.publisher.last(topic))["components"]
    assert told["person_zoe_present"] == {"platform": "binary_sensor"}
    assert len(told["person_ann_present"]) > 1


def test_a_share_that_is_not_mounted_at_the_start_sends_nobody_away(setting, caplog):
    setting.reporting.gallery_changed(recognizer("Ann", "Zoë"))
    setting.reporting.states(NOW, [])
    setting.reporting.events([event()], NOW)
    reporting = again(setting)
    reporting.gallery_changed(recognizer())
    assert cleared(setting) == set()
    told = json.loads(setting.publisher.last("homeassistant/device/camwatch_test/config"))["components"]
    assert len(told["person_ann_present"]) > 1
    assert "Home Assistant keeps 2 people" in caplog.text
    reporting.states(NOW, [(CameraState("door", (), 0, None, None, 0.0), {}, 0)])
    reporting.gallery_changed(recognizer("Ann"))
    assert cleared(setting) == {"camwatch/test/person/zoe/state"}
    reporting.gallery_changed(recognizer())
    assert "camwatch/test/person/ann/state" in cleared(setting), "the last one left while we were looking"


def test_a_camera_that_left_is_taken_back_after_its_last_event(setting):
    setting.reporting.camera_switched("door", on=True)
    setting.reporting.cameras_came(["door"])
    setting.reporting.events([event(EventType.ENDED)], NOW)
    setting.reporting.cameras_left(["door"])
    setting.reporting.every_second(NOW, mqtt_connected=True)
    image = {setting.topics.camera_image("door")}
    assert cleared(setting) == image, "a face goes at once; its last event is still to be sent"
    setting.outbox.acknowledge(["event-1"], NOW)
    setting.reporting.every_second(NOW + 1, mqtt_connected=True)
    topics = setting.topics
    assert {topics.camera_enabled("door"), topics.camera_availability("door")} <= cleared(setting)


def test_a_camera_that_came_back_meanwhile_stays(setting):
    setting.reporting.cameras_left(["door"])
    setting.reporting.cameras_came(["door"])
    setting.reporting.every_second(NOW, mqtt_connected=True)
    assert cleared(setting) == {setting.topics.camera_image("door")}


def test_who_was_last_before_a_camera_is_known_though_seen_elsewhere_since(setting):
    first = replace(event(number=1), visit_id="one")
    elsewhere = replace(event(number=2), visit_id="two", camera="yard", decided_at=NOW + 60, last_seen=NOW + 60)
    setting.reporting.events([first], NOW)
    setting.outbox.put([(elsewhere, encode(payload(elsewhere, node="test", late=False, snapshot=None)))], NOW)
    reporting = again(setting)
    reporting.begin(["door"], NOW + 100)
    reporting.gallery_changed(recognizer("Ann"))
    reporting.states(NOW + 100, [(CameraState("door", (), 0, None, None, 0.0), {}, 0)])
    state = json.loads(setting.publisher.last(setting.topics.camera_state("door")))
    assert state["last_person"] == "Ann"


def test_the_switch_is_a_metric_too(setting):
    for on in (True, False):
        setting.reporting.camera_switched("door", on=on)
        assert setting.telemetry.cameras["door"].enabled is on
        assert setting.publisher.last("camwatch/test/camera/door/enabled") == (b"ON" if on else b"OFF")


def test_dropped_frames_are_told(setting):
    ring = setting.telemetry.cameras["door"].ring
    for counter in (Counter.DROPPED_BUSY, Counter.DROPPED_STALE, Counter.DROPPED_STALE):
        ring.add(counter)
    setting.reporting.states(NOW, [(CameraState("door", (), 0, None, None, 0.0), {}, 0)])
    assert json.loads(setting.publisher.last("camwatch/test/camera/door/state"))["dropped_frames"] == 3


def test_two_names_of_one_slug_have_a_topic_each(setting):
    setting.reporting.gallery_changed(recognizer("Zoe", "Zoë"))
    setting.reporting.states(NOW, [])
    topics = {t: json.loads(p)["person"] for t, p in setting.publisher.retained if "/person/" in t and p}
    assert sorted(topics.values()) == ["Zoe", "Zoë"]
    assert "camwatch/test/person/zoe/state" in topics


def test_every_face_has_one_use_and_those_not_embedded_have_their_own(setting):
    looks = person(1)
    faces = (
        face(looks),
        face(looks, turn=0.8),
        face(None),
        replace(face(None), follow=1, skipped=True),
        replace(face(None, turn=0.8), follow=2, skipped=True),
    )
    setting.reporting.observed(Observation("door", 0, NOW, 5.0, 640, 480, faces), [], 0.001)
    assert setting.telemetry.cameras["door"].faces == {"usable": 1, "turned_away": 1, "blurred": 1, "skipped": 2}


def again(setting, *, snapshots=True, saved=True):
    """Another life over the same state; `saved` tells whether the last one could note what it knew."""
    if saved:
        setting.reporting.remember()
    setting.publisher.retained.clear()
    reporting = setting.another(snapshots=snapshots)
    reporting.begin(["door"], NOW + 100)
    return reporting


def cleared(setting) -> set[str]:
    return {topic for topic, value in setting.publisher.retained if value is None}


def test_a_face_is_taken_back_with_the_person_it_shows(setting):
    image = "camwatch/test/camera/door/image"
    setting.reporting.gallery_changed(recognizer("Ann", "Zoë"))
    setting.reporting.events([event()], NOW)
    setting.reporting.gallery_changed(recognizer("Ann"))
    assert image not in cleared(setting)
    again(setting).gallery_changed(recognizer("Ann"))
    assert image not in cleared(setting), "a restart takes nothing back of who is still enrolled"
    again(setting).gallery_changed(recognizer("Zoë"))
    assert image in cleared(setting), "also where she was forgotten while we were away"


def test_no_face_stays_where_none_is_to_be_published_any_more(setting):
    setting.reporting.gallery_changed(recognizer("Ann"))
    setting.reporting.events([event()], NOW)
    again(setting, snapshots=False).gallery_changed(recognizer("Ann"))
    assert "camwatch/test/camera/door/image" in cleared(setting)


def test_what_left_while_we_were_away_is_taken_back_until_the_broker_has_done_so(setting, tmp_path):
    shed = setting.topics.camera_state("shed")
    setting.reporting.camera_switched("door", on=True)
    setting.reporting.gallery_changed(recognizer("Ann", "Zoë"))
    setting.reporting.states(NOW, [])
    setting.reporting.remember()
    kept = Kept(tmp_path / "kept.json")
    kept.set(shed)
    kept.save()
    gone = {shed, "camwatch/test/person/zoe/state"}
    for life in range(2):
        reporting = again(setting, saved=False)
        reporting.gallery_changed(recognizer("Ann"))
        assert cleared(setting) == gone, life
    setting.publisher.done = sorted(gone)
    reporting.every_second(NOW, mqtt_connected=True)
    reporting.remember()
    again(setting, saved=False).gallery_changed(recognizer("Ann"))
    assert cleared(setting) == set()


def test_who_was_last_before_a_camera_is_known_after_a_restart(setting):
    setting.reporting.gallery_changed(recognizer("Ann"))
    setting.reporting.events([event(), event(EventType.ENDED, number=2)], NOW)
    reporting = again(setting)
    reporting.gallery_changed(recognizer("Ann"))
    nobody = CameraState("door", (), 0, None, None, 0.0)
    reporting.states(NOW, [(nobody, {}, 0)])
    told = json.loads(setting.publisher.last("camwatch/test/camera/door/state"))
    assert told["last_person"] == "Ann" and told["last_seen"]
    reporting.gallery_changed(recognizer("Zoë"))
    reporting.states(NOW + 20, [(nobody, {}, 0)])
    assert json.loads(setting.publisher.last("camwatch/test/camera/door/state"))["last_person"] is None


def test_nobody_leaves_home_assistant_before_it_is_known_who_is_there(setting):
    setting.reporting.announce()
    assert not [topic for topic, _ in setting.publisher.retained if topic.startswith("homeassistant/")]
