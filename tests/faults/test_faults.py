"""The short form of the fault bench; `make faults` is the long one."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults import scenes
from tests.faults.bench import Bench
from tests.faults.kinds import FAULTS
from tests.faults.table import table
from tests.faults.world import World

pytestmark = [pytest.mark.system, pytest.mark.weights, pytest.mark.timeout(400)]

SHORT = (
    "reader killed",
    "camera stalls",
    "camera away",
    "packets damaged",
    "camera server killed",
    "inference killed",
    "broker restarted",
    "wrong password",
    "damaged embeddings",
    "main killed",
)


@pytest.fixture
def world(
    tmp_path: Path, footage: Any, free_port: int, rtsp_server: object, mosquitto: object, no_leftovers: None
) -> Any:
    """Four cameras, a broker, a daemon; the rigs' fixtures skip where a server is missing."""
    faces, clips = scenes.make(tmp_path, footage, versions=False)
    running = World(tmp_path, faces, clips, free_port)
    yield running
    running.close()


def test_nothing_decided_is_lost_whatever_breaks(world: World) -> None:
    faults = [fault for fault in FAULTS if fault.name in SHORT]
    assert len(faults) == len(SHORT)
    result = Bench(world, seed=7, pause=1.5, say=print, faults=faults, each_once=True).run(
        len(faults), seconds=180, lull=22.0
    )
    told = table(result)
    assert result.audited.clean, told
    assert len(result.injected) == len(faults), told
    assert not [one for one in result.injected if one.recovered is None], told
    assert result.left == (), told
    assert result.audited.decided >= 8 and result.audited.visible >= 2, told
    assert result.audited.missed == (), told
    assert "Traceback" not in result.log
