"""A person is forgotten by the real command, while the real daemon runs and while it does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.rigs.mosquitto import Mosquitto, Subscriber
from tests.system import scenes
from tests.system.daemon import check_visits, configuration, events, kinds

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(600)]

NAME, SLUG = "Zoë Quillfeather", "zoe_quillfeather"
FORMS = [NAME.encode(), json.dumps(NAME)[1:-1].encode(), b"Quillfeather", SLUG.encode()]


@pytest.fixture(scope="module")
def clip(footage, tmp_path_factory) -> Path:
    """Somebody comes and stays for four seconds."""
    woman = scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))[170:330:4]
    path = tmp_path_factory.mktemp("clip") / "visit.mp4"
    return scenes.visit(path, woman, size=(640, 360), before=1, stay=4, after=4)


def gallery(folder: Path, footage) -> Path:
    woman = scenes.frames_of(footage.path("WolfgangLanger_Pexels.mp4"))
    scenes.stills(folder / "faces", NAME, [woman[340], woman[370], woman[400]])
    sam = scenes.frames_of(footage.path("single_face.mp4"))
    scenes.stills(folder / "faces", "Sam", [sam[6], sam[30]])
    return folder / "faces"


def forget(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "camwatch", "forget", NAME, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def still_kept(broker: Mosquitto) -> dict[str, bytes]:
    """What a client finds that comes later."""
    with Subscriber(broker, username="camwatch", password="hunter2") as late:
        late.publish("end", b"")
        late.wait_for(lambda found: any(m.topic == "end" for m in found))
        return {m.topic: m.payload for m in late.messages if m.retain}


def naming(kept: dict[str, bytes]) -> list[str]:
    return [topic for topic, payload in kept.items() if any(form in topic.encode() + payload for form in FORMS)]


def files_naming(folder: Path) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in FORMS)]


@pytest.mark.parametrize("way", ["running", "stopped", "stopped, without its configuration"])
def test_nobody_is_left(tmp_path, clip, footage, mosquitto, daemon, free_port, way):
    faces = gallery(tmp_path, footage)
    broker = mosquitto(users={"camwatch": "hunter2"})
    config = configuration(tmp_path, broker, faces, {"door": {"source": str(clip)}}, free_port)
    config["events"]["snapshots"] = True
    state = tmp_path / "state"
    with Subscriber(broker, "camwatch/#", username="camwatch", password="hunter2") as subscriber:
        process = daemon(config)
        subscriber.wait_for(lambda ms: ("ended", NAME) in kinds(ms, "door"), timeout=120)
        assert json.loads(subscriber.on(f"camwatch/test/person/{SLUG}/state")[-1].payload)["person"] == NAME
        kept = still_kept(broker)
        assert {
            "camwatch/test/camera/door/state",
            f"camwatch/test/person/{SLUG}/state",
            "homeassistant/device/camwatch_test/config",
        } <= set(naming(kept))
        assert "camwatch/test/camera/door/image" in kept
        assert {"events.sqlite", "kept.json", "discovery.json"} <= {*files_naming(state), "events.sqlite"}
        assert len(list((state / "snapshots").iterdir())) == 1
        if way != "running":
            assert process.stop()[0] == 0
        if way == "stopped, without its configuration":
            found = forget("--faces", str(faces), "--state", str(state))
            assert found.returncode == 1
            assert f"camwatch/test/person/{SLUG}/state" in found.stderr
            assert not any(NAME.encode() in path.read_bytes() for path in state.rglob("*") if path.is_file())
            config["cameras"]["door"]["enabled"] = False  # or the recording would show her once more
            process.config.write_text(yaml.safe_dump(config))
            process.start()
            process.wait_ready()
            process.wait_for(lambda: not list((state / "forget").iterdir()), 30, "the daemon does not forget")
            process.wait_for(lambda: not naming(still_kept(broker)), 30, "the broker keeps something")
        else:
            found = forget("--config", str(process.config))
            assert (found.returncode, found.stderr) == (0, "")
            assert f"{NAME}: visits erased: 1" in found.stdout
            assert f"{NAME}: snapshots erased: 1" in found.stdout
            assert f"{NAME}: retained messages taken back: 3" in found.stdout
            assert found.stdout.splitlines()[-1] == f"nothing of {NAME} is left in {faces}, {state}"
        kept = still_kept(broker)
        assert naming(kept) == []
        assert "camwatch/test/camera/door/image" not in kept
        assert "camwatch/test/person/sam/state" in kept
        assert files_naming(state) == files_naming(faces) == []
        assert list((state / "snapshots").iterdir()) == []
        check_visits(subscriber.messages)
        assert len([e for e in events(subscriber.messages) if e["event_type"] == "ended"]) >= 1
    assert "Traceback" not in process.log
