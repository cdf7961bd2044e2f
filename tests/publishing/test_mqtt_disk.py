"""The state disk refuses to note what the broker has: values go on, events wait, nothing is forgotten."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from camwatch.errors import StateError
from camwatch.publishing.outbox import Outbox
from tests.publishing.events import event, ids
from tests.publishing.owner import TOPICS, Owner, address
from tests.rigs.mosquitto import Message, Subscriber

pytestmark = pytest.mark.system

FRONT = TOPICS.camera_availability("front_door")


class Disk:
    """Lets the outbox note acknowledgements, or does not."""

    full = True


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, acknowledge = Disk(), Outbox.acknowledge

    def refuse(outbox: Outbox, event_ids: Iterable[str], now: float) -> None:
        waiting = list(event_ids)
        if waiting and disk.full:
            raise StateError("disk full")
        acknowledge(outbox, waiting, now)

    monkeypatch.setattr(Outbox, "acknowledge", refuse)
    return disk


def payloads(messages: list[Message], topic: str) -> list[bytes]:
    return [message.payload for message in messages if message.topic == topic]


def turn(owner: Owner) -> bool:
    """One turn of a loop that lives with a broken disk; whether the disk was broken."""
    try:
        owner.pump()
    except StateError:
        return True
    return False


def test_values_go_on_while_acknowledgements_cannot_be_noted(
    mosquitto: Callable[..., Any], tmp_path: Path, disk: Disk
) -> None:
    broker = mosquitto(persistence=False)
    with Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:

        def turn_until(reached: Callable[[], object]) -> None:
            owner.pump_until(reached, turn=lambda: turn(owner))

        owner.pump_until_connected()
        owner.put(event(1))
        turn_until(lambda: turn(owner))
        owner.publisher.retain(FRONT, b"online")
        turn_until(lambda: payloads(seen.messages, FRONT) == [b"online"])
        owner.put(event(2))

        broker.kill()
        turn_until(lambda: not owner.publisher.connected)
        known = len(seen.messages)
        broker.start()
        seen.wait_subscribed()
        turn_until(
            lambda: (
                {message.topic for message in seen.messages[known:] if message.payload == b"online"}
                == {TOPICS.status, FRONT}
            )
        )
        assert ids(payloads(seen.messages, TOPICS.event)) == [event(1).event_id]
        assert owner.acknowledged == []
        assert owner.outbox.count() == 2

        disk.full = False
        owner.pump_until_delivered()
        assert [each.event_id for each in owner.acknowledged] == [event(1).event_id, event(2).event_id]
        assert [each.latency is not None for each in owner.acknowledged] == [True, True]
        sent = seen.wait_for(lambda all_: len(payloads(all_, TOPICS.event)) == 2)
        assert ids(payloads(sent, TOPICS.event)) == [event(1).event_id, event(2).event_id]


def test_a_stop_says_offline_even_then(
    mosquitto: Callable[..., Any], tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto()
    with Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:
        owner.close = lambda: None  # type: ignore[method-assign]
        owner.pump_until(lambda: payloads(seen.messages, TOPICS.status))
        owner.put(event(1))
        owner.pump_until(lambda: turn(owner), turn=lambda: turn(owner))
        owner.publisher.retain(FRONT, b"offline")
        acknowledged = owner.publisher.stop(5)
        messages = seen.wait_for(lambda all_: payloads(all_, TOPICS.status)[-1] == b"offline")
        assert payloads(messages, FRONT) == [b"offline"]
        assert payloads(messages, TOPICS.status) == [b"online", b"offline"]
        assert [each.event_id for each in acknowledged] == [event(1).event_id]
        assert owner.outbox.count() == 1
        assert "events remain in the outbox: disk full" in caplog.text
        owner.outbox.close()
