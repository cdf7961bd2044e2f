"""SIGHUP at awkward moments, with a stand-in for inference that speaks when a test wants it to."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from tests.publishing.events import event, stored
from tests.rigs import clips
from tests.rigs.mosquitto import Mosquitto, Subscriber
from tests.system import stand_in
from tests.system.daemon import Daemon, configuration
from tests.system.test_reload import Reloaded

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

Start = Callable[[dict[str, Any], dict[str, Any]], Reloaded]


class Clips:
    """Two recordings in which nothing is to be seen."""

    def __init__(self, folder: Path) -> None:
        self.files = {name: folder / f"{name}.mp4" for name in ("one", "two")}
        for file in self.files.values():
            clips.encode(file, [clips.background((64, 48))] * 60, fps=15.0)

    def camera(self, name: str = "one") -> dict[str, Any]:
        """A camera that shows one of them for ever."""
        return {"source": str(self.files[name]), "loop": True, "motion": {"enabled": False}}


@pytest.fixture
def shown(tmp_path: Path) -> Clips:
    (tmp_path / "faces").mkdir()
    return Clips(tmp_path)


@pytest.fixture
def broker(mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return mosquitto()


@pytest.fixture
def start(tmp_path: Path, no_leftovers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a daemon on a configuration, with a plan for the lives of its inference."""
    started: list[Daemon] = []

    def begin(config: dict[str, Any], plan: dict[str, Any]) -> Reloaded:
        (tmp_path / "plan").mkdir()
        (tmp_path / "plan" / "plan.json").write_text(json.dumps(plan))
        monkeypatch.setenv(stand_in.PLAN, str(tmp_path / "plan" / "plan.json"))
        started.append(Daemon(config, tmp_path, module="tests.system.stand_in"))
        return Reloaded(started[-1], config)

    yield begin
    for each in started:
        each.close()


def wait_for_life(it: Reloaded, folder: Path, number: int) -> None:
    """Until the stand-in has begun its life of this number."""
    it.process.wait_for((folder / "plan" / f"life-{number}").exists, 20)


def test_ready_as_a_last_word_starts_no_reader_that_is_to_go(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    cameras = {"front": shown.camera("one"), "gone": shown.camera("one")}
    config = configuration(tmp_path, broker, tmp_path / "faces", cameras, free_port)
    it = start(config, {"0": {"late_ready": True}})
    wait_for_life(it, tmp_path, 0)
    del config["cameras"]["gone"]
    config["cameras"]["front"] = shown.camera("two")
    it.reload("ready, watching")
    it.process.wait_for(lambda: str(shown.files["two"]) in it.open_files(), 20)
    assert it.process.count("reader_main") == 1
    assert str(shown.files["one"]) not in it.open_files()
    assert it.process.stop()[0] == 0
    assert "Traceback" not in it.process.log


def test_ready_as_a_last_word_leaves_no_reader_to_a_successor(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    config = configuration(tmp_path, broker, tmp_path / "faces", {"front": shown.camera()}, free_port)
    it = start(config, {"0": {"late_ready": True}})
    wait_for_life(it, tmp_path, 0)
    config["node"] = "other"
    it.reload("ready, watching")
    time.sleep(1.0)
    assert it.process.count("reader_main") == 1
    assert it.process.stop()[0] == 0


def test_networks_that_fail_during_another_reload_are_gone_back_from(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    config = configuration(tmp_path, broker, tmp_path / "faces", {"front": shown.camera()}, free_port)
    it = start(config, {"1": {"fatal_after": 1.0}})
    it.process.wait_ready()
    config["engine"] = {"device": "gpu"}
    it.reload()
    wait_for_life(it, tmp_path, 1)
    config["cameras"]["front"]["fps"] = 3
    it.reload("going back")
    it.process.wait_for(lambda: it.process.log.count("inference is ready") == 2, 20)
    assert it.process.stop()[0] == 0


def test_a_successor_that_cannot_be_built_gives_way_to_what_was_in_effect(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    """And not to what the daemon was started with, long ago: a camera was switched off since."""
    cameras = {"front": shown.camera(), "bedroom": shown.camera()}
    config = configuration(tmp_path, broker, tmp_path / "faces", cameras, free_port)
    it = start(config, {})
    it.process.wait_for(lambda: it.process.count("reader_main") == 2, 20)
    config["cameras"]["bedroom"]["enabled"] = False
    it.reload()
    it.process.wait_for(lambda: it.process.count("reader_main") == 1, 20)
    config["node"] = "other"
    config["http"]["port"] = broker.port
    it.reload("not taken over")
    it.process.wait_for(lambda: it.process.log.count("ready, watching") == 2, 20)
    it.process.wait_for(lambda: it.reader("front") is not None, 20)
    time.sleep(1.0)
    assert it.reader("bedroom") is None
    assert it.process.stop()[0] == 0


def test_events_that_wait_move_with_the_state_and_a_folder_in_use_is_left_alone(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    config = configuration(tmp_path, broker, tmp_path / "faces", {"front": shown.camera()}, free_port)
    waiting = event(1)
    box, _ = Outbox.open(Path(config["events"]["state"]) / EVENTS_FILE, time.time())
    box.put(stored(waiting), time.time())
    box.close()
    broker.stop()
    it = start(config, {})
    it.process.wait_ready()
    theirs = tmp_path / "theirs"
    other, _ = Outbox.open(theirs / EVENTS_FILE, time.time())
    config["events"]["state"] = str(theirs)
    it.reload("not taken over")
    it.process.wait_for(lambda: it.process.log.count("ready, watching") == 2, 20)
    assert {file.name.split("-")[0] for file in theirs.iterdir()} <= {EVENTS_FILE, f"{EVENTS_FILE}.lock"}
    other.close()
    config["events"]["state"] = str(tmp_path / "moved")
    # Two: its visit was open, and has been ended.
    assert "2 events that waited came along" in it.reload("ready, watching")
    broker.start()
    with Subscriber(broker, "camwatch/#") as seen:
        seen.wait_for(lambda all_: any(waiting.event_id.encode() in one.payload for one in all_), timeout=30)
    assert it.process.stop()[0] == 0


def test_a_stop_in_the_middle_of_a_reload_is_a_clean_stop(
    tmp_path: Path, broker: Mosquitto, shown: Clips, start: Start, free_port: int
) -> None:
    config = configuration(tmp_path, broker, tmp_path / "faces", {"front": shown.camera()}, free_port)
    it = start(config, {"*": {"linger": 1.2}})
    it.process.wait_ready()
    config["recognition"]["min_face"] = 60
    it.reload()
    assert it.process.stop()[0] == 0
    assert "Traceback" not in it.process.log and "inference starts anew" in it.process.log
