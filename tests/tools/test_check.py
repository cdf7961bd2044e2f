"""`camwatch check` and `camwatch schema`: what is printed where, and what --probe asks."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from camwatch.capture import source as capture
from camwatch.capture.trust import Trust
from camwatch.engine.weights import FACENET_NETWORK
from camwatch.errors import ConfigError, DeliveryError, SourceRefused
from camwatch.identification.promise import told
from camwatch.identification.recognizer import visit_threshold_for
from camwatch.publishing import mqtt
from camwatch.publishing.broker import Broker
from camwatch.tools.check import check
from camwatch.tools.schema import schema
from tests.tools.pictures import save

CONFIG = """
mqtt: {host: 127.0.0.1, username: u, password: hunter2}
recognition: {faces: faces}
events: {state: state}
cameras:
  door: {source: "rtsp://u:hunter2@10.0.0.2/s", stall_timeout: 3s, transport: udp}
  gate: {source: "rtsp://u:hunter2@10.0.0.3/s"}
  film: {source: film.mp4}
  shed: {source: 0, enabled: false}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "faces" / "Ann").mkdir(parents=True)
    (tmp_path / "faces" / "Ann" / "a.jpg").write_bytes(b"a photo")
    (tmp_path / "film.mp4").write_bytes(b"x")
    file = tmp_path / "c.yml"
    file.write_text(CONFIG)
    return file


def run(config: Path, *, probe: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return check(config, probe=probe, out=out, err=err), out.getvalue(), err.getvalue()


def test_the_resolved_configuration_is_yaml_on_stdout(config: Path) -> None:
    status, out, err = run(config)
    first, second = err.splitlines()
    assert (status, first) == (0, f"{config}: no problems, 4 cameras")
    assert second.startswith("recognition: people 1, photos 1; a name needs 0.49; of strangers about 0.35 %")
    resolved = yaml.safe_load(out)
    assert resolved["mqtt"]["password"] == "***"
    assert resolved["cameras"]["door"]["source"] == "rtsp://***@10.0.0.2/s"
    assert resolved["cameras"]["door"]["min_face"] == 40
    assert resolved["events"]["visit_gap"] == "5s"
    assert "hunter2" not in out + err


def test_who_is_enrolled_is_told_as_far_as_the_folder_tells(config: Path) -> None:
    (config.parent / "faces" / "Ann" / "not").mkdir()
    (config.parent / "faces" / "Ann" / "not" / "x.jpg").write_bytes(b"a negative")
    text = CONFIG + "recognition: {faces: faces, ignore: [Postman, Ann], threshold: 0.6}\n"
    config.write_text(text.replace("recognition: {faces: faces}\n", "", 1))
    lines = run(config)[2].splitlines()
    assert lines[1].startswith("recognition: people 1, photos 1; a name needs 0.60; of strangers about 0.09")
    assert lines[2] == "recognition.ignore: nobody enrolled is called Postman"


def test_a_camera_with_a_threshold_of_its_own_has_a_line_of_its_own(config: Path) -> None:
    config.write_text(CONFIG.replace("source: film.mp4", "source: film.mp4, false_alarm_rate: 0.05, min_face: 60"))
    lines = run(config)[2].splitlines()
    everywhere, here = lines[1:]
    assert everywhere.startswith("recognition: people 1, photos 1; a name needs 0.49;")
    assert here.startswith("cameras.film: a name needs 0.40; of strangers about 1.")


def test_a_size_that_cannot_count_is_noted(config: Path) -> None:
    config.write_text(CONFIG.replace("source: film.mp4", "source: film.mp4, min_face: 25"))
    status, _, err = run(config)
    assert status == 0
    assert err.splitlines()[2:] == ["cameras.film: min_face is 25, but faces below 30 pixels never count"]


def test_missing_files_are_told_and_nothing_is_printed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(config.parent / "faces")
    (config.parent / "film.mp4").unlink()
    with pytest.raises(ConfigError) as caught:
        check(config, probe=True)
    assert [
        re.sub(r".*c\.yml", "", problem).partition(f" {config.parent}")[0] for problem in caught.value.problems
    ] == [
        ":3: recognition.faces: there is no folder",
        ":8: cameras.film.source: there is no file",
    ]
    assert capsys.readouterr().out == ""


class Pictures:
    """A source that yields these frames or fails; notes whether it was closed."""

    live = True

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.closed = False

    def frames(self) -> Iterator[object]:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        yield from self.outcome  # type: ignore[misc]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What --probe asked for; the broker answers, one camera shows, one refuses, the recording is empty."""
    asked: dict[str, object] = {}
    sources = {
        "rtsp://u:hunter2@10.0.0.2/s": Pictures([SimpleNamespace(width=1920, height=1080), None]),
        "rtsp://u:hunter2@10.0.0.3/s": Pictures(SourceRefused("rtsp://***@10.0.0.3/s: wrong password", "unauthorized")),
    }

    def open_source(address: str, **options: object) -> Pictures:
        source = sources.get(address, Pictures([]))
        asked[address] = (options, source)
        return source

    def probe(broker: Broker, *, timeout: float) -> str:
        asked["mqtt"] = broker
        return "5"

    monkeypatch.setattr(capture, "open_source", open_source)
    monkeypatch.setattr(mqtt, "probe", probe)
    return asked


def test_probe_asks_the_broker_and_every_enabled_camera(config: Path, asked: dict[str, object]) -> None:
    status, out, err = run(config, probe=True)
    assert status == 1
    assert [re.sub(r", after [0-9.]+ s$", "", line) for line in err.splitlines()[2:]] == [
        "mqtt          ok      127.0.0.1:1883 speaks MQTT 5",
        "cameras.door  ok      1920x1080",
        "cameras.gate  FAILED  rtsp://***@10.0.0.3/s: wrong password",
        f"cameras.film  FAILED  {config.parent}/film.mp4: ended before its first picture",
    ]
    assert asked["mqtt"] == Broker("127.0.0.1", 1883, "u", "hunter2", None)
    options, source = asked["rtsp://u:hunter2@10.0.0.2/s"]  # type: ignore[misc]
    assert options == {"transport": "udp", "timeout": 3.0, "trust": Trust()}
    assert source.closed
    assert "0" not in asked
    assert yaml.safe_load(out)["node"]


def test_probe_tells_why_the_broker_does_not_answer(
    config: Path, asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(broker: Broker, *, timeout: float) -> str:
        raise DeliveryError(f"MQTT broker {broker} refuses us: Not authorized")

    monkeypatch.setattr(mqtt, "probe", refuse)
    status, _, err = run(config, probe=True)
    assert status == 1
    assert err.splitlines()[2] == "mqtt          FAILED  MQTT broker 127.0.0.1:1883 refuses us: Not authorized"


def test_schema_is_json_with_the_keys_of_the_configuration() -> None:
    out = io.StringIO()
    assert schema(out=out) == 0
    document = json.loads(out.getvalue())
    assert document["title"] == "camwatch"
    assert list(document["properties"]) == ["node", "mqtt", "recognition", "events", "engine", "http", "cameras"]
    assert document["additionalProperties"] is False


def test_a_gallery_without_anybody_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text(
        "mqtt: {host: localhost}\nrecognition: {faces: nobody}\nevents: {state: state}\n"
        "cameras: {front: {source: 'rtsp://127.0.0.1:9/x'}}\n"
    )
    (tmp_path / "nobody").mkdir()
    err = io.StringIO()
    assert check(path, probe=False, out=io.StringIO(), err=err) == 0
    assert "recognition.faces: nobody is enrolled yet" in err.getvalue()


def test_with_other_weights_nothing_is_promised(config: Path) -> None:
    config.write_text(CONFIG + "engine: {facenet_weights: film.mp4}\n")
    assert "nothing was measured with the network facenet-inception-resnet-v1-512-" in run(config)[2]


def test_who_has_fewest_photos_makes_the_promise(config: Path) -> None:
    for number in range(4):
        save(np.full((9, 9, 3), number, np.uint8), config.parent / "faces" / "Bob" / f"{number}.png")
    limit = visit_threshold_for(2, 0.01)
    few, many = (told(2, photos, asked=0.01, threshold=limit, network=FACENET_NETWORK) for photos in (1, 4))
    assert few != many and few in run(config)[2] and many not in run(config)[2]


def test_thirty_pixels_do_count(config: Path) -> None:
    config.write_text(CONFIG.replace("source: film.mp4", "source: film.mp4, min_face: 30"))
    assert len(run(config)[2].splitlines()) == 2
