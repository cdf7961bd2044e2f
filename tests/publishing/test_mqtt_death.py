"""The publisher's process dies: what the broker says then, and what the next process does."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.publishing.events import event
from tests.publishing.owner import TOPICS, Owner, address
from tests.rigs.mosquitto import Subscriber

pytestmark = pytest.mark.system

CHILD = """
import sys, time
from pathlib import Path
from camwatch.publishing.broker import Broker
from tests.publishing.events import event
from tests.publishing.owner import Owner

folder, port, *numbers = sys.argv[1:]
owner = Owner(Path(folder), Broker("127.0.0.1", int(port)))
owner.pump_until_connected()
print("up", flush=True)
sys.stdin.readline()
owner.put(*(event(int(number)) for number in numbers))
owner.pump()
print("sent", flush=True)
time.sleep(60)
"""


def publisher(folder: Path, port: int, *numbers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(port), *map(str, numbers)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_the_broker_says_offline_when_the_process_is_killed(mosquitto: Callable[..., Any], tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker, TOPICS.status) as seen:
        process = publisher(tmp_path, broker.port)
        seen.wait_for(lambda all_: [message.payload for message in all_] == [b"online"])
        process.send_signal(signal.SIGKILL)
        process.wait()
        seen.wait_for(lambda all_: [message.payload for message in all_] == [b"online", b"offline"])
    with Subscriber(broker, TOPICS.status) as later:
        assert [message.retain for message in later.wait_for(lambda all_: all_)] == [True]


def test_what_was_not_acknowledged_at_the_death_is_delivered_by_the_next_process(
    mosquitto: Callable[..., Any], tmp_path: Path
) -> None:
    broker = mosquitto()
    process = publisher(tmp_path, broker.port, *range(40))
    assert says(process) == "up"
    # The broker takes nothing any more, so that nothing can be acknowledged between `put` and the death.
    broker.suspend()
    go_on(process)
    assert says(process) == "sent"
    process.send_signal(signal.SIGKILL)
    process.wait()
    broker.kill()
    broker.start()

    with Subscriber(broker, TOPICS.event) as seen, Owner(tmp_path, address(broker)) as owner:
        assert owner.outbox.count() == 40
        owner.pump_until_delivered()
        messages = seen.wait_for(lambda all_: len(all_) >= 40)
        assert [json.loads(message.payload)["event_id"] for message in messages] == [
            event(number).event_id for number in range(40)
        ]
        assert {each.latency for each in owner.acknowledged} == {None}
