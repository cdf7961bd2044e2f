"""Retained values are set at a real broker in one short visit."""

from collections.abc import Callable
from pathlib import Path

import pytest

from camwatch.errors import DeliveryError
from camwatch.publishing.broker import Broker
from camwatch.publishing.errand import set_retained
from tests.rigs.mosquitto import Mosquitto, Subscriber

pytestmark = pytest.mark.system


def kept_at(broker: Mosquitto) -> dict[str, bytes]:
    """What somebody finds who comes later."""
    with Subscriber(broker) as late:
        late.publish("end", b"")
        late.wait_for(lambda found: any(m.topic == "end" for m in found))
        return {m.topic: m.payload for m in late.messages if m.retain}


def test_values_are_set_and_cleared_more_than_fit_at_once(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto()
    address = Broker(broker.host, broker.port)
    first = {f"a/{number}": b"x" for number in range(100)}
    assert set_retained(address, first, status="a/status", timeout=10) == set(first)
    assert kept_at(broker) == first
    second = {f"a/{number}": b"" for number in range(99)}
    assert set_retained(address, second, status="a/status", timeout=10) == set(second)
    assert kept_at(broker) == {"a/99": b"x"}, "no will was left behind either"


def test_what_the_broker_refuses_is_not_claimed(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto(users={"cam": "hunter2"}, acl="user cam\ntopic write allowed/#\ntopic read #\n")
    address = Broker(broker.host, broker.port, "cam", "hunter2")
    taken = set_retained(address, {"allowed/a": b"x", "other/a": b"x"}, status="allowed/status", timeout=10)
    assert taken == {"allowed/a"}


def test_a_broker_that_is_not_there_is_one_clear_line(free_port: int, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=rf"127\.0\.0\.1:{free_port}: cannot connect: Connection refused"):
        set_retained(Broker("127.0.0.1", free_port), {"a": b""}, status="s", timeout=2)
