"""What is too old goes, whether or not anything happens; who is to be forgotten goes at once, and wholly."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from camwatch.errors import StateError
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.pipeline import CameraRules, Decider
from camwatch.publishing.events import encode, payload
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.requests import Requests
from camwatch.publishing.traces import retained, traces
from camwatch.records import CameraState, Enrolled, Event, EventType, Observation, Quality
from camwatch.service.keeping import PATIENCE, PAUSE, PRUNE_EVERY, Keeping
from camwatch.service.ring import FrameRing, create_ring
from tests.identification.scene import face, person
from tests.service.test_reporting import NOW, Publisher, Setting, event

DAY = 86400.0
SERVICE = "homeassistant/device/camwatch_test/config"
ANN, BOB = person(1), person(2)
CHIP = np.full((160, 160, 3), 90, np.uint8)


class Broker(Publisher):
    """A broker that takes everything at once, or is away."""

    settled = True

    def cleared(self) -> list[str]:
        self.done = [topic for topic, payload in self.retained if payload is None] if self.settled else []
        return super().cleared()

    def keeps(self) -> dict[str, bytes]:
        last = dict(self.retained)
        return {topic: value for topic, value in last.items() if value}


class House(Setting):
    """A daemon's decider, reporting and keeping, without its processes."""

    def __init__(self, folder: Path, ring: FrameRing) -> None:
        super().__init__(folder, ring)
        self.decider = Decider({"door": CameraRules(visit_gap=5.0)}, node="test")
        self.requests = Requests(folder)
        self.now = NOW
        self.live()

    def live(self) -> None:
        """Begin a life of a daemon."""
        self.publisher = Broker()
        self.reporting = self.another()
        self.keeping = Keeping(
            self.folder,
            outbox=self.outbox,
            decider=self.decider,
            publisher=self.publisher,
            reporting=self.reporting,
        )
        self.keeping.change(keep_days=14, keep_snapshots=10)
        self.reporting.begin(["door"], self.now)

    def enroll(self, **people: np.ndarray) -> None:
        enrolled = [
            Enrolled(name, f"{name}.jpg", name, looks[None, :], Quality(80, 50, 0, 1)) for name, looks in people.items()
        ]
        recognizer = Recognizer(Gallery(enrolled, "net"), threshold=0.5)
        self.decider.replace_recognizer(recognizer)
        self.reporting.gallery_changed(recognizer)

    def see(self, looks: np.ndarray | None, seconds: float) -> None:
        """Somebody, or nobody, before the camera."""
        for _ in range(round(seconds * 5)):
            self.now += 0.2
            faces = () if looks is None else (face(looks, chip=CHIP),)
            events = self.decider.decide(Observation("door", 0, self.now, self.now, 640, 480, faces))
            self.reporting.events(events, self.now)
            self.reporting.states(self.now, self.decider.states())

    def second(self, count: int = 1) -> None:
        for _ in range(count):
            self.now += 1.0
            self.reporting.states(self.now, self.decider.states())
            self.reporting.every_second(self.now, mqtt_connected=self.publisher.settled)
            self.keeping.every_second(self.now)
            self.reporting.remember()

    def waiting(self) -> list[tuple[str, str | None, str | None]]:
        found = [json.loads(pending.payload) for pending in self.outbox.pending(100)]
        return [(one["event_type"], one["person"], one.get("reason")) for one in found]


@pytest.fixture
def house(tmp_path):
    fd = create_ring("door", slot_bytes=64 * 64 * 3)
    ring = FrameRing(fd, "door", slot_bytes=64 * 64 * 3)
    house = House(tmp_path, ring)
    yield house
    house.outbox.close()
    ring.close()
    os.close(fd)


def pictures(house: House) -> list[str]:
    return sorted(path.name for path in house.snapshots.glob("*.jpg"))


def test_who_is_forgotten_during_a_visit_leaves_no_name_no_picture_and_no_open_visit(house):
    house.enroll(Ann=ANN, Bob=BOB)
    house.see(BOB, 2)
    house.see(None, 6)
    house.see(ANN, 2)
    assert house.waiting()[-1] == ("recognized", "Ann", None)
    assert len(pictures(house)) == 2
    asked = house.requests.ask("Ann", "ann")
    house.second()
    assert traces(house.folder, "Ann"), "not while Ann is enrolled: she would come back at once"
    house.enroll(Bob=BOB)
    house.second(4)
    assert not asked.path.exists()
    assert traces(house.folder, "Ann") == retained(house.folder, "ann", "Ann") == []
    assert house.waiting() == [("recognized", "Bob", None), ("ended", "Bob", None), ("ended", None, "forgotten")]
    assert len(pictures(house)) == 1
    for topic, value in house.publisher.keeps().items():
        assert b"Ann" not in value and b"_ann_" not in value and "ann" not in topic, topic
    house.see(ANN, 3)
    assert house.waiting()[-1] == ("unknown", None, None), "still there, a stranger now, in a visit of her own"


def test_home_assistant_is_told_that_entities_go_before_they_are_not_named_any_more(house):
    house.enroll(Ann=ANN, Bob=BOB)
    house.requests.ask("Ann", "ann")
    house.enroll(Bob=BOB)
    house.second(4)
    told = [json.loads(value)["components"] for topic, value in house.publisher.retained if topic == SERVICE]
    stages = [stage for stage, _ in itertools.groupby(one.get("person_ann_present") for one in told)]
    assert stages[1:] == [{"platform": "binary_sensor"}, None]


def test_while_the_broker_is_away_the_disk_is_cleared_and_the_rest_goes_when_it_is_back(house):
    house.enroll(Ann=ANN, Bob=BOB)
    house.see(ANN, 2)
    house.second()
    house.publisher.settled = False
    asked = house.requests.ask("Ann", "ann")
    house.enroll(Bob=BOB)
    house.second(5)
    assert traces(house.folder, "Ann") == []
    assert house.requests.waiting()[0].person is None
    assert retained(house.folder, "ann") == [
        "camwatch/test/camera/door/image", "camwatch/test/person/ann/state", SERVICE
    ]  # fmt: skip
    house.publisher.settled = True
    house.second(3)
    assert not asked.path.exists()
    assert retained(house.folder, "ann") == []


def test_the_next_life_does_what_was_asked_for_in_between(house):
    """As after a command that ran while no daemon did: names are gone, what the broker keeps is not."""
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.second()
    house.requests.erased(house.requests.ask("Ann", "ann"))
    house.outbox.forget("Ann", house.now)
    house.reporting.forget("Ann")
    house.reporting.remember()
    house.decider = Decider({"door": CameraRules(visit_gap=5.0)}, node="test")
    house.live()
    house.enroll()
    assert not any("ann" in topic for topic in house.publisher.keeps()), "the last one is not kept as if unmounted"
    house.second(4)
    assert house.requests.waiting() == []
    assert retained(house.folder, "ann") == []


def test_who_is_the_last_one_is_forgotten_also_when_nobody_looks_like_a_share_that_is_away(house):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.second()
    house.requests.ask("Ann", "ann")
    house.decider = Decider({"door": CameraRules(visit_gap=5.0)}, node="test")
    house.live()
    house.enroll()
    assert b"person_ann_present" in house.publisher.keeps()[SERVICE]
    house.second(4)
    assert traces(house.folder, "Ann") == retained(house.folder, "ann") == house.requests.waiting() == []
    assert b"person_ann_present" not in house.publisher.keeps()[SERVICE]


def test_who_is_still_enrolled_elsewhere_loses_the_history_and_stays(house):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.requests.ask("Ann", "ann")
    house.second(int(PATIENCE))
    assert house.outbox.visits_of("Ann")
    house.second(4)
    assert house.outbox.visits_of("Ann") == house.requests.waiting() == []
    assert house.publisher.keeps()["camwatch/test/person/ann/state"]


def test_nothing_comes_back_from_what_waits_for_a_full_disk(house, monkeypatch, caplog):
    house.enroll(Ann=ANN)
    real = Outbox.put

    def full(*_args: object, **_more: object) -> None:
        raise StateError("events.sqlite: the disk is full")

    monkeypatch.setattr(Outbox, "put", full)
    house.see(ANN, 2)
    house.requests.ask("Ann", "ann")
    house.enroll()
    house.second(3)
    assert house.requests.waiting()[0].person == "Ann"
    monkeypatch.setattr(Outbox, "put", real)
    house.second(5)
    assert house.requests.waiting() == traces(house.folder, "Ann") == []


def test_a_database_that_cannot_be_scrubbed_is_told_once_and_tried_again(house, monkeypatch, caplog):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.requests.ask("Ann", "ann")
    house.enroll()
    real = Outbox.scrub

    def busy(_outbox: Outbox) -> None:
        raise StateError("events.sqlite: another program reads the database")

    monkeypatch.setattr(Outbox, "scrub", busy)
    house.second(3)
    assert house.requests.waiting()[0].person == "Ann"
    assert caplog.text.count("cannot be yet") == 1
    monkeypatch.setattr(Outbox, "scrub", real)
    house.second(4)
    assert house.requests.waiting()[0].person == "Ann", "a try may take long, so there is a pause"
    house.second(round(PAUSE))
    assert house.requests.waiting() == traces(house.folder, "Ann") == []


def test_what_a_crash_left_of_pictures_goes_too(house):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    (house.snapshots / ".visit.jpg.abc.new").write_bytes(b"half a face")
    (house.snapshots / "of-no-visit.jpg").write_bytes(b"a face")
    house.requests.ask("Ann", "ann")
    house.enroll()
    house.second(5)
    assert house.requests.waiting() == []
    assert list(house.snapshots.iterdir()) == []


def test_rubbish_among_the_requests_stops_nobody(house, caplog):
    folder = house.folder / "forget"
    folder.mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to("/dev/zero")
    (folder / "large.json").write_bytes(b" " * 100_000)
    for number, (name, slug) in enumerate(
        [("\ud800", "a"), ("", "a"), (" ", "a"), (5, "a"), ("Ann", "../a"), ("Ann", 5)]
    ):
        (folder / f"{number}.json").write_text(json.dumps({"version": 1, "person": name, "slug": slug}))
    house.enroll(Ann=ANN)
    house.second(2)
    assert house.requests.waiting() == []
    assert caplog.text.count("not a request to forget somebody") == 2 * 9, "once by each that reads them"
    assert json.loads((house.folder / "kept.json").read_text())["slugs"] == {"ann": "Ann"}


def acknowledged(house: House, *visits: tuple[str, float]) -> None:
    """Visits in the history, with pictures, from given times."""
    for visit, at in visits:
        one = event(EventType.ENDED)
        made = Event(**{**{name: getattr(one, name) for name in one.__slots__}, "event_id": visit, "decided_at": at})
        house.outbox.put([(made, encode(payload(made, node="test", late=False, snapshot=None)))], at)
        house.outbox.acknowledge([visit], at)
        (house.snapshots / f"{visit}.jpg").write_bytes(b"jpeg")
        os.utime(house.snapshots / f"{visit}.jpg", (at, at))


def history(house: House) -> int:
    return int(house.outbox._rows("SELECT count(*) FROM events")[0][0])


def test_what_is_too_old_goes_though_nothing_happens(house):
    acknowledged(house, ("old", NOW - 13.9 * DAY), ("new", NOW))
    house.keeping.every_second(NOW)
    assert history(house) == 2
    for hour in range(1, 6):
        house.keeping.every_second(NOW + hour * PRUNE_EVERY)
    assert (history(house), pictures(house)) == (1, ["new.jpg"])
    house.keeping.every_second(NOW + 15 * DAY)
    assert (history(house), pictures(house)) == (0, [])


def test_pictures_beyond_the_count_go(house):
    acknowledged(house, *((f"v{number:02}", NOW + number) for number in range(15)))
    house.keeping.every_second(NOW + 20)
    assert pictures(house) == [f"v{number:02}.jpg" for number in range(5, 15)]
    house.keeping.change(keep_days=14, keep_snapshots=3)
    house.keeping.every_second(NOW + 21)
    assert pictures(house) == ["v12.jpg", "v13.jpg", "v14.jpg"]
    assert history(house) == 15, "the count is of pictures"


def test_pictures_age_also_where_no_new_ones_are_kept(house):
    house.reporting = house.another(snapshots=False)
    acknowledged(house, ("old", NOW))
    house.keeping.every_second(NOW + 15 * DAY)
    assert pictures(house) == []


def test_a_clock_that_was_set_back_does_not_stop_it(house):
    house.keeping.every_second(NOW + 3650 * DAY)
    acknowledged(house, ("old", NOW - 20 * DAY))
    house.keeping.every_second(NOW)
    assert history(house) == 0


def test_events_that_no_broker_has_wait_however_old_they_are(house):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.keeping.every_second(NOW + 400 * DAY)
    assert house.waiting() == [("recognized", "Ann", None)]


def test_entities_that_left_long_ago_are_named_no_longer(house):
    house.enroll(Ann=ANN, Bob=BOB)
    house.enroll(Bob=BOB)
    path = house.folder / "discovery.json"
    stored = json.loads(path.read_text())
    assert stored["left"][SERVICE]
    stored["left"] = {SERVICE: {key: [platform, 1.0] for key, (platform, _) in stored["left"][SERVICE].items()}}
    path.write_text(json.dumps(stored))
    house.live()
    house.enroll(Bob=BOB)
    house.keeping.every_second(house.now)
    assert "person_ann_" not in path.read_text()


def test_nobody_is_left_in_the_state_of_a_camera(house):
    house.enroll(Ann=ANN)
    house.see(ANN, 2)
    house.see(None, 8)
    house.requests.ask("Ann", "ann")
    house.enroll()
    house.second(12)
    state = json.loads(house.publisher.keeps()["camwatch/test/camera/door/state"])
    assert (state["present"], state["last_person"]) == ([], None)
    house.live()
    house.enroll(Ann=ANN)
    house.reporting.states(house.now, [(CameraState("door", (), 0, None, None, 0.0), {}, 0)])
    assert json.loads(house.publisher.keeps()["camwatch/test/camera/door/state"])["last_person"] is None
