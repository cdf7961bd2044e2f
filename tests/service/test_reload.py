"""What a changed configuration changes: from two files to what has to be done."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from camwatch.config.model import load
from camwatch.service.app import settings_from
from camwatch.service.reload import Changes, changes
from camwatch.service.settings import Settings


def settings(folder: Path, **more: Any) -> Settings:
    """Of a small configuration; keys with dots are put into it, `None` takes a section away."""
    whole: dict[str, Any] = {
        "node": "nvr",
        "mqtt": {"host": "broker", "username": "u", "password": "p"},
        "cameras": {"front": {"source": "rtsp://h/1"}, "garden": {"source": "rtsp://h/2"}},
    }
    for key, value in more.items():
        *path, leaf = key.split(".")
        section = whole
        for step in path:
            section = section.setdefault(step, {})
        section[leaf] = value
        if value is None:
            del section[leaf]
    file = folder / "camwatch.yml"
    file.write_text(yaml.safe_dump(whole))
    return settings_from(load(file))


def different(found: Changes) -> set[str]:
    """The names of what is different."""
    return {field.name for field in fields(found) if getattr(found, field.name)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, set()),
        ({"node": "other"}, {"everything"}),
        ({"mqtt.topic_prefix": "eyes"}, {"everything"}),
        ({"events.state": "elsewhere"}, {"everything"}),
        ({"engine.facenet_weights": "other.pb"}, {"everything", "inference"}),
        ({"mqtt.password": "q"}, {"broker"}),
        ({"mqtt.tls": True}, {"broker"}),
        ({"mqtt.discovery_style": "component"}, {"discovery"}),
        ({"recognition.faces": "photos"}, {"gallery"}),
        ({"recognition.threshold": 0.6}, {"gallery"}),
        ({"recognition.min_face": 60}, {"inference", "rules"}),
        ({"events.visit_gap": "9s"}, {"rules"}),
        ({"events.max_live_age": "20s"}, {"lateness"}),
        ({"events.snapshots": False}, {"history", "discovery"}),
        ({"events.retain.days": 3}, {"history"}),
        ({"engine.threads": 1}, {"inference"}),
        ({"http.port": 8471}, {"http"}),
        ({"http.token": "0123456789abcdef"}, {"http"}),
        ({"cameras.front.source": "rtsps://h/1", "cameras.front.tls": {"verify": False}}, {"readers", "scenes"}),
        ({"cameras.front.fps": 3}, {"readers"}),
        ({"cameras.front.source": "rtsp://h/3"}, {"readers", "scenes"}),
        ({"cameras.front.source": "clip.mp4"}, {"readers", "scenes", "inference"}),
        ({"cameras.front.motion.enabled": False}, {"readers"}),
        ({"cameras.front.enabled": False}, {"enabled"}),
        ({"cameras.front.threshold": 0.6}, {"rules"}),
        ({"cameras.front.min_face": 60}, {"inference", "rules"}),
        ({"cameras.attic.source": "rtsp://h/3"}, {"added", "inference", "rules", "enabled", "discovery"}),
        ({"cameras.garden": None}, {"removed", "inference", "rules", "enabled", "discovery"}),
    ],
)
def test_only_what_differs_is_to_be_changed(tmp_path: Path, change: dict[str, Any], expected: set[str]) -> None:
    found = changes(settings(tmp_path), settings(tmp_path, **change))
    assert different(found) == expected
    assert (found.told() == "nothing is different") == (not expected)


def test_the_cameras_are_named(tmp_path: Path) -> None:
    new = settings(tmp_path, **{"cameras.front.fps": 3, "cameras.garden": None, "cameras.attic.source": "rtsp://h/3"})
    found = changes(settings(tmp_path), new)
    assert (found.added, found.removed, found.readers) == (("attic",), ("garden",), ("front",))
    assert "attic: new; garden: gone; front: its reader starts anew" in found.told()


def test_every_setting_is_looked_at(tmp_path: Path) -> None:
    """One that nobody compares would be changed in the file and not in the daemon."""
    old = settings(tmp_path)
    for field in fields(Settings):
        value = getattr(old, field.name)
        if field.name == "engine":
            other: Any = {**value, "threads": 7}
        elif field.name in ("min_face", "enabled", "rules"):
            other = {**value, "front": "something else"}
        elif field.name == "readers":
            other = dict.fromkeys(value, value["garden"])
        else:
            other = "something else"
        assert different(changes(old, replaced(old, field.name, other))), field.name


def replaced(old: Settings, name: str, value: Any) -> Settings:
    return Settings(**{field.name: getattr(old, field.name) for field in fields(Settings)} | {name: value})


def test_no_password_is_in_the_repr(tmp_path: Path) -> None:
    shown = repr(settings(tmp_path, **{"mqtt.password": "hunter2", "cameras.front.source": "rtsp://u:hunter2@h/1"}))
    assert "hunter2" not in shown
