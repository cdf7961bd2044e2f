"""What others keep of us is known after a restart, and cleared once nobody claims it."""

import json
from pathlib import Path

import pytest

from camwatch.publishing.kept import Kept


def saved(path: Path) -> Kept:
    """What the next life would know."""
    return Kept(path)


def test_topics_are_remembered_until_the_broker_has_cleared_them(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    kept = Kept(path)
    kept.set("a/state")
    kept.set("b/image", "Sam")
    kept.save()
    assert kept.unclaimed() == []

    again = saved(path)
    again.set("a/state")
    assert again.unclaimed() == ["b/image"]
    again.claim(["b/image"])
    assert again.unclaimed() == []
    again.cleared(["b/image", "never there"])
    again.save()
    assert saved(path).unclaimed() == ["a/state"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_of_the_topics_of_another_life_the_status_is_cleared_last(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    kept = Kept(path)
    kept.set("nvr/status")
    kept.set("nvr/door/state")
    kept.save()
    assert saved(path).unclaimed() == ["nvr/door/state", "nvr/status"]


def test_what_was_kept_elsewhere_is_taken_over_and_claimed_by_nobody(tmp_path: Path) -> None:
    elsewhere, path = Kept(tmp_path / "old.json"), tmp_path / "kept.json"
    elsewhere.set("door/image", "Sam")
    elsewhere.set("door/state")
    kept = Kept(path)
    kept.set("door/state")
    kept.take_over(elsewhere.topics)
    kept.save()
    assert kept.unclaimed() == ["door/image"]
    assert saved(path).showing_others([]) == ["door/image"]


def test_nobody_is_forgotten_by_an_empty_name(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.json")
    kept.set("door/state")
    kept.forget("")
    assert kept.showing_others([]) == []


def test_faces_of_those_who_left_are_found(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.json")
    kept.set("door/image", "Sam")
    kept.set("yard/image", "")
    kept.set("door/state")
    assert kept.showing_others(["Sam", "Ann"]) == []
    assert kept.showing_others(["Ann"]) == ["door/image"]
    kept.set("door/image", "")
    assert kept.showing_others(["Ann"]) == []


def test_a_slug_stays_with_its_person_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    kept = Kept(path)
    assert kept.slugs(["Jörg"]) == {"Jörg": "jorg"}
    both = kept.slugs(["Jörg", "Jorg"])
    assert both["Jörg"] == "jorg" and both["Jorg"].startswith("jorg_")
    kept.save()
    again = saved(path)
    assert again.slugs(["Jorg", "Jörg"]) == both
    assert again.slugs(["Jorg"]) == {"Jorg": both["Jorg"]}, "it does not inherit the slug of who left"
    again.save()
    assert "Jörg" not in path.read_text(encoding="utf-8")


def test_of_who_is_forgotten_no_name_stays_but_what_is_to_be_cleared_does(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    kept = Kept(path)
    kept.slugs(["Sam Ångström", "Ann"])
    kept.set("door/image", "Sam Ångström")
    kept.set("yard/image", "Ann")
    kept.set("person/sam_angstrom/state")
    kept.forget("Sam Ångström")
    kept.save()
    assert "Sam" not in path.read_text(encoding="utf-8")
    again = saved(path)
    assert again.people == ("Ann",)
    assert again.showing_others(["Ann"]) == ["door/image"]
    assert set(again.topics) == {"door/image", "yard/image", "person/sam_angstrom/state"}
    again.set("door/image", "Ann")
    assert again.showing_others(["Ann"]) == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "topics": [], "slugs": {}}'])
def test_a_damaged_memory_is_told_of_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "kept.json"
    path.write_text(text)
    kept = Kept(path)
    assert "kept.json is damaged" in caplog.text
    kept.set("a")
    kept.save()
    assert json.loads(path.read_text())["topics"] == {"a": ""}


def test_a_disk_that_refuses_is_told_of_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "gone"
    kept = Kept(folder / "kept.json")
    kept.set("a")
    kept.save()
    kept.save()
    assert caplog.text.count("the broker may keep what leaves") == 1
    folder.mkdir()
    kept.save()
    assert saved(folder / "kept.json").unclaimed() == ["a"]


@pytest.mark.parametrize("topic", ["a/+/b", "#", "", "a\ud800", "x" * 70_000])
def test_a_topic_that_no_broker_takes_is_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture, topic: str) -> None:
    (tmp_path / "kept.json").write_text(json.dumps({"version": 1, "topics": {topic: ""}, "slugs": {}}))
    assert Kept(tmp_path / "kept.json").unclaimed() == []
    assert "is damaged" in caplog.text
