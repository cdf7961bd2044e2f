"""People of whom nothing is told have no topics and no entities."""

import json

from tests.service.test_reporting import NOW, recognizer, setting  # noqa: F401 - a fixture


def test_who_is_ignored_is_enrolled_but_nobody_is_told(setting):  # noqa: F811
    setting.reporting.gallery_changed(recognizer("Ann", "Postman", ignored=frozenset({"Postman"})))
    setting.reporting.states(NOW, [])
    assert not any("postman" in topic for topic, _ in setting.publisher.retained)
    told = json.loads(setting.publisher.last("homeassistant/device/camwatch_test/config"))["components"]
    assert "person_ann_present" in told and "person_postman_present" not in told
    assert setting.reporting.enrolled == ("Ann", "Postman"), "not yet to be forgotten"
    setting.reporting.gallery_changed(recognizer("Ann", "Postman"))
    told = json.loads(setting.publisher.last("homeassistant/device/camwatch_test/config"))["components"]
    assert "person_postman_present" in told
