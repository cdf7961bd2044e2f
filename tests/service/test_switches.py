"""The privacy switches: remembered, and on the safe side when in doubt."""

import pytest

from camwatch.service.switches import Switches

CAMERAS = {"front": True, "garden": False}


def test_the_configuration_decides_where_nobody_said_otherwise(tmp_path):
    switches = Switches(tmp_path / "switches.json", CAMERAS)
    assert switches.is_on("front")
    assert not switches.is_on("garden")


def test_a_command_outlasts_a_restart(tmp_path):
    path = tmp_path / "switches.json"
    Switches(path, CAMERAS).set("front", False)
    again = Switches(path, CAMERAS)
    assert not again.is_on("front")
    again.set("front", True)
    assert Switches(path, CAMERAS).is_on("front")


def test_a_command_for_one_camera_says_nothing_of_the_others(tmp_path):
    path = tmp_path / "switches.json"
    Switches(path, CAMERAS).set("garden", True)
    configured_off = {"front": False, "garden": False}
    switches = Switches(path, configured_off)
    assert not switches.is_on("front")
    assert switches.is_on("garden")


def test_cameras_come_and_go(tmp_path):
    path = tmp_path / "switches.json"
    Switches(path, CAMERAS).set("front", False)
    switches = Switches(path, {"street": True, "front": True})
    assert switches.is_on("street")
    assert not switches.is_on("front")


def test_a_damaged_file_keeps_every_camera_off_and_is_told_of(tmp_path, caplog):
    path = tmp_path / "switches.json"
    for damage in (b"{", b'{"version": 2, "cameras": {}}', b"[]", b'{"version": 1, "cameras": 5}', b"\xff\xfe"):
        path.write_bytes(damage)
        assert not Switches(path, CAMERAS).is_on("front")
    assert caplog.text.count("is damaged") == 5


def test_after_damage_a_camera_that_comes_later_stays_off_too_and_so_it_is_remembered(tmp_path):
    path = tmp_path / "switches.json"
    path.write_bytes(b"{")
    switches = Switches(path, CAMERAS)
    switches.configure({**CAMERAS, "street": True})
    assert not switches.is_on("street")
    switches.set("front", True)
    again = Switches(path, {**CAMERAS, "street": True})
    assert again.is_on("front")
    assert not again.is_on("street")


def test_a_full_disk_is_told_of_and_the_switch_works_all_the_same(tmp_path, caplog):
    switches = Switches(tmp_path / "missing" / "switches.json", CAMERAS)
    switches.set("front", False)
    assert not switches.is_on("front")
    assert "will not outlast" in caplog.text


def test_what_a_full_disk_refused_is_written_once_it_takes_it(tmp_path):
    path = tmp_path / "missing" / "switches.json"
    switches = Switches(path, CAMERAS)
    switches.set("front", False)
    path.parent.mkdir()
    assert not switches.set("front", False)
    assert switches.save() is None
    assert not Switches(path, CAMERAS).is_on("front")


def test_what_the_daemon_before_knew_goes_before_an_old_file(tmp_path):
    path = tmp_path / "switches.json"
    Switches(path, CAMERAS).set("front", True)
    switches = Switches(path, CAMERAS)
    switches.take_over({"front": False, "gone": False})
    assert not switches.is_on("front")
    again = Switches(path, {**CAMERAS, "gone": True})
    assert not again.is_on("front") and not again.is_on("gone")


def test_it_tells_whether_a_camera_was_the_other_way(tmp_path):
    switches = Switches(tmp_path / "switches.json", CAMERAS)
    assert [switches.set("front", on) for on in (True, False, False, True)] == [False, True, False, True]


def test_a_changed_configuration_does_not_overrule_what_somebody_said(tmp_path):
    switches = Switches(tmp_path / "switches.json", CAMERAS)
    switches.set("front", False)
    switches.configure({"front": True, "garden": True, "attic": False})
    assert not switches.is_on("front")
    assert switches.is_on("garden")
    assert not switches.is_on("attic")


def test_off_is_remembered_for_a_camera_that_was_off_anyway(tmp_path):
    switches = Switches(tmp_path / "switches.json", CAMERAS)
    switches.set("garden", False)
    switches.configure({"front": True, "garden": True})
    assert not switches.is_on("garden")
    assert not Switches(tmp_path / "switches.json", {"garden": True}).is_on("garden")


@pytest.mark.parametrize(
    "text", ['{"version": 1, "cameras": {"front": "false"}}', '{"version": 1, "cameras": ' + "[" * 100_000]
)
def test_a_switch_that_is_neither_on_nor_off_leaves_cameras_off(tmp_path, text):
    path = tmp_path / "switches.json"
    path.write_text(text)
    assert not Switches(path, CAMERAS).is_on("front")
