"""The configuration: defaults, the shipped example, inheritance, secrets that stay secret, files that exist."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from camwatch.capture.trust import Trust
from camwatch.config.fields import Duration
from camwatch.config.model import Config, Mqtt, load, verify
from camwatch.errors import ConfigError
from camwatch.publishing.broker import Broker, Tls
from camwatch.service.app import settings_from
from camwatch.tools.schema import document as schema

ROOT = Path(__file__).parents[2]
MINIMAL = "mqtt:\n  host: broker\ncameras:\n  door:\n    source: rtsp://cam:hunter2@10.0.0.2:554/s\n"


def loaded(folder: Path, text: str, **environ: str) -> Config:
    file = folder / "c.yml"
    file.write_text(text, "utf-8")
    return load(file, environ=environ)


def test_minimal_file_gets_every_default(tmp_path: Path) -> None:
    config = loaded(tmp_path, MINIMAL)
    door = config.cameras["door"]
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.username, config.mqtt.tls) == ("broker", 1883, None, None)
    assert (config.mqtt.topic_prefix, config.mqtt.discovery_prefix) == ("camwatch", "homeassistant")
    assert (config.recognition.false_alarm_rate, config.recognition.min_face) == (0.01, 40)
    assert (config.events.visit_gap, config.events.max_live_age, config.events.snapshots) == (5.0, 10.0, True)
    assert (config.events.retain.days, config.events.retain.snapshots) == (14, 2000)
    assert (config.engine.device, config.engine.max_batch, config.engine.max_wait) == ("auto", 16, 0.02)
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8470)
    assert (door.fps, door.transport, door.stall_timeout, door.loop, door.enabled) == (5.0, "tcp", 10.0, False, True)
    assert (door.motion.enabled, door.motion.floor_fps, door.motion.masks) == (True, 0.5, ())
    assert door.source.reveal() == "rtsp://cam:hunter2@10.0.0.2:554/s"


def test_node_is_the_host_name_as_a_slug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "My-NVR.example.org")
    assert loaded(tmp_path, MINIMAL).node == "my_nvr"


def example(name: str, folder: Path) -> Config:
    for file in ("camwatch.yml", "camwatch.minimal.yml", "secrets.example.yaml"):
        target = "secrets.yaml" if file.startswith("secrets") else file
        (folder / target).write_text((ROOT / "config" / file).read_text("utf-8"), "utf-8")
    return load(folder / name)


def test_the_shipped_example_names_every_key_with_its_default(tmp_path: Path) -> None:
    full = example("camwatch.yml", tmp_path).model_dump(mode="json")
    minimal = example("camwatch.minimal.yml", tmp_path).model_dump(mode="json")
    assert full | {"node": minimal["node"]} == minimal
    written = yaml.safe_load(re.sub(r"!secret \w+", "x", (ROOT / "config/camwatch.yml").read_text("utf-8")))
    assert key_paths(written) == key_paths(full)
    commented = "\n".join(re.findall(r"^ +#   ?  (\w+:)", (ROOT / "config/camwatch.yml").read_text("utf-8"), re.M))
    assert set(commented.split()) == {"ca_certs:", "certfile:", "keyfile:", "insecure:"}


def key_paths(value: Any, path: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {path}
    return {inner for key, item in value.items() for inner in key_paths(item, f"{path}.{key}")} | {path}


def test_resolved_configuration_can_be_loaded_again(tmp_path: Path) -> None:
    text = MINIMAL.replace("cam:hunter2@", "") + (
        "    false_alarm_rate: 0.05\n    stall_timeout: 1.5s\n    motion: {masks: [[[0, 0], [1, 0.5], [0, 1]]]}\n"
        "  film:\n    source: film.mp4\n    loop: true\n    threshold: 0.7\n  webcam: {source: 0, fps: 0.5}\n"
        "recognition: {threshold: 0.6, faces: ~/faces}\n"
    )
    first = loaded(tmp_path, text)
    again = loaded(tmp_path, yaml.safe_dump(first.resolved()))
    assert again.resolved() == first.resolved()
    assert all(again.recognition_for(name) == first.recognition_for(name) for name in first.cameras)
    assert [camera.source for camera in again.cameras.values()] == [
        first.cameras[name].source for name in again.cameras
    ]


def test_secrets_are_in_no_print(tmp_path: Path) -> None:
    (tmp_path / "secrets.yaml").write_text("pw: hunter2\n")
    config = loaded(tmp_path, MINIMAL.replace("broker", "broker\n  username: u\n  password: !secret pw"))
    prints = [str(config), repr(config), config.model_dump_json(), str(config.resolved()), str(config.model_dump())]
    assert not [text for text in prints if "hunter2" in text]
    assert config.resolved()["mqtt"]["password"] == "***"
    assert config.resolved()["cameras"]["door"]["source"] == "rtsp://***@10.0.0.2:554/s"
    assert config.mqtt.broker() == Broker("broker", 1883, "u", "hunter2", None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LocalHost", "::1"])
def test_on_this_machine_alone_no_token_is_needed(tmp_path: Path, host: str) -> None:
    assert loaded(tmp_path, f"{MINIMAL}http: {{host: '{host}'}}\n").http.token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.9", "nvr", "localhost.example.org", "::ffff:10.0.0.1"])
def test_elsewhere_a_token_is_needed_or_a_word(tmp_path: Path, host: str) -> None:
    section = f"{MINIMAL}http: {{host: '{host}'"
    with pytest.raises(ConfigError, match=r"c\.yml:6: http\.token: is missing"):
        loaded(tmp_path, section + "}\n")
    assert loaded(tmp_path, section + ", public: true}\n").http.token is None
    config = loaded(tmp_path, section + ", token: hunter2-hunter2-hunter2}\n")
    assert config.http.token is not None
    assert config.http.token.get_secret_value() == "hunter2-hunter2-hunter2"
    settings = settings_from(config)
    assert settings.http_token == "hunter2-hunter2-hunter2"
    prints = [repr(config), str(config.resolved()), config.model_dump_json(), repr(settings), str(settings)]
    assert not [text for text in prints if "hunter2" in text]
    assert config.resolved()["http"]["token"] == "***"


def test_whom_a_camera_is_believed_to_be(tmp_path: Path) -> None:
    assert loaded(tmp_path, MINIMAL).cameras["door"].tls.trust() == Trust()
    text = MINIMAL.replace("rtsp://", "rtsps://") + "    tls: {ca_certs: door.pem, server_name: IPCAMERA}\n"
    config = loaded(tmp_path, text)
    trust = Trust(f"{tmp_path}/door.pem", "IPCAMERA")
    assert config.cameras["door"].tls.trust() == settings_from(config).readers["door"].trust == trust
    (tmp_path / "faces").mkdir()
    config = loaded(tmp_path, text + "recognition: {faces: faces}\nevents: {state: state}\n")
    assert verify(config) == [f"{tmp_path}/c.yml:6: cameras.door.tls.ca_certs: there is no file {tmp_path}/door.pem"]


def test_values_from_the_environment_become_numbers_and_switches(tmp_path: Path) -> None:
    text = MINIMAL + "    fps: !env_var FPS\n    enabled: !env_var ON false\nhttp: {port: !env_var PORT 9000}\n"
    config = loaded(tmp_path, text + "events: {visit_gap: !env_var GAP 3s}\n", FPS="2.5")
    assert (config.cameras["door"].fps, config.cameras["door"].enabled, config.http.port) == (2.5, False, 9000)
    assert config.events.visit_gap == 3.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("20ms", 0.02), ("2m", 120), ("1h", 3600), ("7", 7), ("1.5", 1.5), ("'.5 s'", 0.5)],
)
def test_durations(tmp_path: Path, text: str, seconds: float) -> None:
    assert loaded(tmp_path, MINIMAL + f"events: {{visit_gap: {text}}}\n").events.visit_gap == seconds


@given(st.floats(min_value=1e-6, max_value=1e5))
def test_durations_are_printed_as_they_are_read(seconds: float) -> None:
    kind = Duration(most=1e6)
    read = kind.read(seconds, Path())
    assert kind.read(kind.dump(read), Path()) == pytest.approx(read, abs=1e-6)


@pytest.mark.parametrize(
    ("written", "meant", "kind"),
    [
        ("0", "0", "webcam"),
        ("'2'", "2", "webcam"),
        ("/dev/video1", "/dev/video1", "webcam"),
        ("RTSP://h/s%401", "rtsp://h/s%401", "network"),
        ("http://h:8080/video?user=a&pwd=b", "http://h:8080/video?user=a&pwd=b", "network"),
        ("rtsp://[fe80::1]:554/s", "rtsp://[fe80::1]:554/s", "network"),
        ("rtsp://u:p%2Fw@h/s", "rtsp://u:p%2Fw@h/s", "network"),
        ("film.mp4", "{folder}/film.mp4", "file"),
        ("/srv/a@b:c.mp4", "/srv/a@b:c.mp4", "file"),
        ("videos/film.mp4", "{folder}/videos/film.mp4", "file"),
        ("rtsp/film.mp4", "{folder}/rtsp/film.mp4", "file"),
        ("C:/film@home.mp4", "{folder}/C:/film@home.mp4", "file"),
    ],
)
def test_sources(tmp_path: Path, written: str, meant: str, kind: str) -> None:
    text = MINIMAL.replace("rtsp://cam:hunter2@10.0.0.2:554/s", written)
    source = loaded(tmp_path, text).cameras["door"].source
    assert (source.reveal(), source.kind) == (meant.format(folder=tmp_path), kind)
    assert source.is_file == (kind == "file")


def test_a_file_may_be_called_like_an_address(tmp_path: Path) -> None:
    (tmp_path / "cam:1@home.mp4").touch()
    text = MINIMAL.replace("rtsp://cam:hunter2@10.0.0.2:554/s", "cam:1@home.mp4")
    assert loaded(tmp_path, text).cameras["door"].source.reveal() == f"{tmp_path}/cam:1@home.mp4"


def test_an_address_in_the_line_of_a_folder_is_masked(tmp_path: Path) -> None:
    text = MINIMAL + "recognition: {faces: 'rtsp://u:hunter2@h/1'}\nevents: {state: state}\n"
    config = loaded(tmp_path, text)
    assert "hunter2" not in str(verify(config)) + str(config.resolved())


def test_relative_paths_begin_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "c.yml").write_text(MINIMAL + "recognition: {faces: faces}\nevents: {state: ~/state}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/alice")
    config = load("etc/c.yml")
    assert config.recognition.faces == tmp_path / "etc" / "faces"
    assert config.events.state == Path("/home/alice/state")


def test_a_camera_inherits_or_overrides_recognition(tmp_path: Path) -> None:
    text = MINIMAL + (
        "  garden: {source: 0, min_face: 60, false_alarm_rate: 0.1}\n  gate: {source: 1, threshold: 0.8}\n"
        "recognition: {threshold: 0.6, min_face: 50}\n"
    )
    config = loaded(tmp_path, text)
    found = {name: config.recognition_for(name) for name in config.cameras}
    assert [(r.threshold, r.min_face, r.false_alarm_rate) for r in found.values()] == [
        (0.6, 50, 0.01),
        (None, 60, 0.1),
        (0.8, 50, 0.01),
    ]


def test_tls_as_a_switch_and_as_a_section(tmp_path: Path) -> None:
    def tls(text: str) -> Tls | None:
        return loaded(tmp_path, MINIMAL.replace("broker", f"broker\n  tls: {text}")).mqtt.broker().tls

    assert tls("false") is tls("null") is None
    assert tls("true") == tls("{}") == Tls()
    assert tls("{ca_certs: ca.pem, insecure: true}") == Tls(ca_certs=tmp_path / "ca.pem", insecure=True)


def test_sections_left_empty_have_their_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, MINIMAL + "    motion:\nevents:\n  retain:\nhttp:\n")
    assert config.events.retain.days == 14


def test_a_configuration_does_not_change(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        loaded(tmp_path, MINIMAL).mqtt.port = 1  # type: ignore[misc]


def test_location_of_keys(tmp_path: Path) -> None:
    config = loaded(tmp_path, MINIMAL)
    assert config.location("cameras.door.source") == f"{tmp_path}/c.yml:5"
    assert config.location("cameras.door.fps") == f"{tmp_path}/c.yml:4"
    assert config.location("http.port") == f"{tmp_path}/c.yml:1"
    assert Config(mqtt=Mqtt(host="b"), cameras=config.cameras).location("http") == "configuration"


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[str]:
    """A configuration all of whose files exist."""
    (tmp_path / "faces").mkdir()
    (tmp_path / "film.mp4").write_bytes(b"x")
    yield "mqtt: {host: b}\nrecognition: {faces: faces}\nevents: {state: var/state}\ncameras: {a: {source: film.mp4}}\n"
    (tmp_path / "faces").chmod(0o700)


def test_what_a_file_names_is_verified_apart(tmp_path: Path, standing: str) -> None:
    assert verify(loaded(tmp_path, standing)) == []
    assert not (tmp_path / "var").exists()
    broken = (
        standing.replace("host: b", "host: b, tls: {ca_certs: ca.pem}")
        .replace("faces: faces", "faces: people")
        .replace("var/state", "film.mp4/state")
        .replace("source: film.mp4", "source: faces")
    ) + "engine: {facenet_weights: w.pb}\n"
    place = f"{tmp_path}/c.yml"
    people = f"{tmp_path}/people"
    assert sorted(verify(loaded(tmp_path, broken))) == [
        f"{place}:1: mqtt.tls.ca_certs: there is no file {tmp_path}/ca.pem",
        f"{place}:2: recognition.faces: there is no folder {people}, "
        f"make it with: camwatch enroll NAME PHOTO --faces {people}",
        f"{place}:3: events.state: {tmp_path}/film.mp4 is a file, must be a folder",
        f"{place}:4: cameras.a.source: {tmp_path}/faces is a folder, must be a file",
        f"{place}:5: engine.facenet_weights: there is no file {tmp_path}/w.pb",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_permissions_are_verified(tmp_path: Path, standing: str) -> None:
    (tmp_path / "faces").chmod(0)
    assert verify(loaded(tmp_path, standing)) == [
        f"{tmp_path}/c.yml:2: recognition.faces: {tmp_path}/faces cannot be read by this user"
    ]


def test_the_shipped_schema_is_what_the_command_prints() -> None:
    shipped = ROOT / "config" / "camwatch.schema.json"
    assert json.loads(shipped.read_text()) == json.loads(json.dumps(schema()))
    for name in ("camwatch.yml", "camwatch.minimal.yml"):
        first, _, _ = (shipped.parent / name).read_text().partition("\n")
        assert first == f"# yaml-language-server: $schema=./{shipped.name}"


def test_schema_describes_the_shipped_example() -> None:
    described = json.loads(json.dumps(schema()))
    written = yaml.safe_load(re.sub(r"!secret \w+", "x", (ROOT / "config/camwatch.yml").read_text("utf-8")))
    unknown = sorted(keys_without_description(written, described, described["$defs"]))
    assert unknown == []


def keys_without_description(value: dict[str, Any], kind: dict[str, Any], kinds: dict[str, Any]) -> Iterator[str]:
    for option in [kind, *kind.get("anyOf", [])]:
        if "$ref" in option:
            kind = kinds[option["$ref"].rpartition("/")[2]]
    for key, item in value.items():
        inner = kind.get("properties", {}).get(key) or next(iter(kind.get("patternProperties", {}).values()), None)
        if inner is None or not ("description" in inner or "$ref" in inner):
            yield key
        elif isinstance(item, dict):
            yield from keys_without_description(item, inner, kinds)
