"""The proof finds what it is to find, and nothing else."""

import json
from pathlib import Path

import pytest

from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.publishing.requests import Requests
from camwatch.publishing.traces import retained, slug_in, traces
from tests.publishing.events import DECIDED, event, stored

ZOE = "Zoë"


def kept(state: Path, *, topics: dict[str, str] | None = None, slugs: dict[str, str] | None = None) -> None:
    (state / "kept.json").write_text(json.dumps({"version": 1, "topics": topics or {}, "slugs": slugs or {}}))


def database(state: Path, name: str = EVENTS_FILE) -> None:
    outbox, _ = Outbox.open(state / name, DECIDED)
    outbox.put(stored(event(person=ZOE)), DECIDED)
    outbox.close()


def request(state: Path) -> None:
    Requests(state).ask(ZOE, "zoe")


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (database, EVENTS_FILE),
        (lambda state: database(state, "events.sqlite.damaged-20261124T021011Z"), "damaged-"),
        (lambda state: kept(state, topics={"door/image": ZOE}), "kept.json"),
        (lambda state: kept(state, slugs={"zoe": ZOE}), "kept.json"),
        (request, "forget"),
        (lambda state: (state / "copy.bak").write_text('x"person":"Zo\\u00eb"x'), "copy.bak"),
        (lambda state: (state / "kept.json").write_text('{"slugs": {"zoe": "Zo\\u00eb"'), "kept.json"),
    ],
)
def test_every_place_of_a_name_is_found(tmp_path: Path, make, file: str) -> None:
    assert traces(tmp_path, ZOE) == []
    make(tmp_path)
    [line] = traces(tmp_path, ZOE)
    assert file in line
    assert traces(tmp_path, "Zo") == traces(tmp_path, "Ann") == []


def test_what_is_only_called_the_same_is_nobody(tmp_path: Path) -> None:
    """A camera, a kind of entity and an event type may have the name of a person."""
    outbox, _ = Outbox.open(tmp_path / EVENTS_FILE, DECIDED)
    outbox.put(stored(event(camera="door", person="Ann")), DECIDED)
    outbox.close()
    kept(tmp_path, topics={"camwatch/nvr/camera/door/state": ""}, slugs={"ann": "Ann"})
    (tmp_path / "switches.json").write_text(json.dumps({"version": 1, "cameras": {"door": True}}))
    for name in ("door", "recognized", "ann", "sensor"):
        assert traces(tmp_path, name) == []
        assert name == "ann" or retained(tmp_path, name) == []


def test_the_topics_that_the_broker_may_keep(tmp_path: Path) -> None:
    kept(
        tmp_path,
        topics={
            "c/n/person/zoe/state": "",
            "c/n/person/zoe_2/state": "",
            "c/n/camera/door/image": ZOE,
            "c/n/camera/yard/image": " ",
            "c/n/camera/barn/image": "Ann",
            "homeassistant/sensor/camwatch_n/person_zoe_last_seen/config": "",
        },
        slugs={"zoe": ZOE},
    )
    stubs = {"homeassistant/device/camwatch_n/config": {"person_zoe_present": ["binary_sensor", 1.0]}}
    (tmp_path / "discovery.json").write_text(json.dumps({"version": 1, "announced": {}, "left": stubs}))
    assert slug_in(tmp_path, ZOE) == "zoe"
    assert retained(tmp_path, "zoe", ZOE) == [
        "c/n/camera/door/image",
        "c/n/camera/yard/image",
        "c/n/person/zoe/state",
        "homeassistant/device/camwatch_n/config",
        "homeassistant/sensor/camwatch_n/person_zoe_last_seen/config",
    ]
    assert "c/n/camera/door/image" not in retained(tmp_path, "zoe")
