"""The publisher against a real mosquitto: delivery, outages, retained values, commands."""

import gc
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from camwatch.publishing import mqtt
from camwatch.publishing.broker import Broker
from tests.publishing.events import DECIDED, event, ids
from tests.publishing.owner import TOPICS, Owner, address
from tests.rigs.mosquitto import Message, Subscriber
from tests.rigs.proxy import Proxy

pytestmark = pytest.mark.system

LOGIN = {"username": "camwatch", "password": "correct-horse"}
USERS = {"camwatch": "correct-horse"}
Start = Callable[..., Any]


def payloads(messages: list[Message], topic: str) -> list[bytes]:
    return [message.payload for message in messages if message.topic == topic]


def test_events_and_values_reach_the_broker(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto(users=USERS)
    with Subscriber(broker, **LOGIN) as seen, Owner(tmp_path, address(broker, **LOGIN)) as owner:
        owner.publisher.retain(TOPICS.camera_state("front_door"), b"{}")
        events = [event(number, camera=camera) for number in range(60) for camera in ("front_door", "garden")]
        owner.put(*events)
        owner.pump_until_delivered()
        messages = seen.wait_for(lambda all_: len(payloads(all_, TOPICS.event)) >= 120)
        assert ids(payloads(messages, TOPICS.event)) == [each.event_id for each in events]
        assert payloads(messages, TOPICS.event_late) == []
        assert not any(message.retain for message in messages)
        assert messages[0].topic == TOPICS.status
        assert [each.event_id for each in owner.acknowledged] == [each.event_id for each in events]
        first = owner.acknowledged[0]
        assert (first.camera, first.late) == ("front_door", False)
        assert first.captured_monotonic is not None
        assert first.acknowledged_monotonic >= first.sent_monotonic >= first.captured_monotonic

        with Subscriber(broker, **LOGIN) as later:
            kept = later.wait_for(lambda all_: len(all_) == 2)
            assert {message.topic: message.payload for message in kept if message.retain} == {
                TOPICS.status: b"online",
                TOPICS.camera_state("front_door"): b"{}",
            }


def test_a_wrong_password_is_said_once_and_never_shown(
    mosquitto: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto(users=USERS)
    wrong = address(broker, username="camwatch", password="battery-staple")
    with caplog.at_level(logging.DEBUG), Owner(tmp_path, wrong) as owner:
        owner.put(event(1))
        owner.pump_until(lambda: owner.publisher.problem)
        assert not owner.publisher.connected
    refusals = [record for record in caplog.records if "refuses us: Not authorized" in record.getMessage()]
    assert [record.levelname for record in refusals] == ["ERROR"]
    assert f"{broker.host}:{broker.port}" in refusals[0].getMessage()
    assert "battery-staple" not in caplog.text
    assert "battery-staple" not in repr(wrong)


def test_after_an_outage_old_events_arrive_as_late_and_new_ones_live(
    mosquitto: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto()
    with caplog.at_level(logging.INFO), Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:
        owner.put(event(1))
        owner.pump_until_delivered()
        broker.stop()
        owner.pump_until(lambda: not owner.publisher.connected)
        owner.put(event(2), event(2, camera="garden"))
        owner.now += 30
        owner.put(event(3, decided_at=owner.now), event(3, camera="garden", decided_at=owner.now))
        broker.start()
        seen.wait_subscribed()
        owner.pump_until_delivered()
        messages = seen.wait_for(lambda all_: len(payloads(all_, TOPICS.event)) == 3)
        assert ids(payloads(messages, TOPICS.event)) == ["front_door-0001-1", "front_door-0003-1", "garden-0003-1"]
        late = payloads(messages, TOPICS.event_late)
        assert ids(late) == ["front_door-0002-1", "garden-0002-1"]
        assert all(json.loads(payload)["late"] for payload in late)
    said = [record.getMessage() for record in caplog.records if record.name == "camwatch.publishing.mqtt"]
    assert [line.split(": ", 1)[1].split(":")[0].split(" (")[0] for line in said] == [
        "connected",
        "connection lost",
        "connected again",
    ]


def test_what_was_on_its_way_when_the_broker_died_is_judged_anew(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:
        owner.pump_until_connected()
        broker.suspend()
        events = [event(number) for number in range(30)]
        owner.put(*events)
        owner.pump()
        assert owner.acknowledged == []
        broker.kill()
        owner.pump_until(lambda: not owner.publisher.connected)
        broker.start()
        seen.wait_subscribed()
        owner.now += 3600
        owner.pump_until_delivered()
        messages = seen.wait_for(lambda all_: len(payloads(all_, TOPICS.event_late)) >= len(events))
        assert payloads(messages, TOPICS.event) == []
        assert ids(payloads(messages, TOPICS.event_late)) == [each.event_id for each in events]
        assert owner.acknowledged[0].late


def test_retained_values_come_back_after_a_broker_lost_them(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto(persistence=False)
    with Owner(tmp_path, address(broker)) as owner:
        state, image = TOPICS.camera_state("front_door"), TOPICS.camera_image("front_door")
        cameras = [TOPICS.camera_availability(f"camera_{number}") for number in range(40)]
        for topic in cameras:
            owner.publisher.retain(topic, b"online")
        owner.publisher.retain(state, b"old")
        owner.publisher.retain(image, b"\xff" * 200_000)
        owner.pump_until_connected()
        owner.publisher.retain(state, b"new")
        owner.publisher.retain(image, None)
        broker.kill()
        owner.pump_until(lambda: not owner.publisher.connected)
        broker.start()
        owner.pump_until_connected()
        with Subscriber(broker) as seen:
            owner.pump_until(lambda: len({message.topic for message in seen.messages}) >= 42)
            values = {message.topic: message.payload for message in seen.messages if message.payload}
        assert values == {TOPICS.status: b"online", state: b"new", **dict.fromkeys(cameras, b"online")}


def test_resend_repeats_every_value(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:
        owner.publisher.retain("camwatch/nvr1/x", b"1")
        owner.pump_until(lambda: len(seen.messages) == 2)
        owner.publisher.resend()
        owner.pump_until(lambda: len(seen.messages) == 4)
        assert {message.payload for message in seen.messages[2:]} == {b"online", b"1"}


def test_a_clean_stop_sends_what_waits_and_says_offline_last(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker) as seen, Owner(tmp_path, address(broker)) as owner:
        owner.pump_until_connected()
        events = [event(number) for number in range(100)]
        owner.put(*events)
        owner.publisher.retain(TOPICS.camera_availability("front_door"), b"offline")
        owner.close = lambda: None  # type: ignore[method-assign]
        acknowledged = owner.publisher.stop(5)
        messages = seen.wait_for(lambda all_: all_[-1].topic == TOPICS.status and all_[-1].payload == b"offline")
        assert len(acknowledged) == 100
        assert owner.outbox.count() == 0
        # Events of this test are older than the wall clock, which a stop goes by.
        assert len(payloads(messages, TOPICS.event_late)) == 100
        assert payloads(messages, TOPICS.camera_availability("front_door")) == [b"offline"]
        assert payloads(messages, TOPICS.status) == [b"online", b"offline"]
        owner.outbox.close()


@pytest.mark.parametrize("state", ["hung", "gone", "never there"])
def test_a_stop_does_not_wait_for_a_broker_that_does_not_answer(mosquitto: Start, tmp_path: Path, state: str) -> None:
    broker = mosquitto()
    if state == "never there":
        broker.stop()
    with Owner(tmp_path, address(broker)) as owner:
        if state != "never there":
            owner.pump_until_connected()
        if state == "hung":
            broker.suspend()
        elif state == "gone":
            broker.kill()
        owner.put(event(1))
        assert owner.publisher.stop(1) == []
        assert owner.outbox.count() == 1
        owner.outbox.close()
        owner.close = lambda: None  # type: ignore[method-assign]


def test_commands_arrive_but_not_retained_or_huge_ones(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    front, garden = TOPICS.camera_enabled_set("front_door"), TOPICS.camera_enabled_set("garden")
    with Subscriber(broker) as other:
        other.publish(garden, b"OFF", retain=True)
        with Owner(tmp_path, address(broker), subscriptions=[front, garden]) as owner:
            owner.pump_until_connected()
            other.wait_for(lambda all_: payloads(all_, TOPICS.status))
            other.publish(front, b"x" * 1025)
            other.publish("camwatch/nvr1/camera/front_door/other", b"OFF")
            other.publish(front, b"OFF")
            other.publish(front, b"ON")
            got: list[tuple[str, bytes]] = []

            def collect() -> bool:
                got.extend((command.topic, command.payload) for command in owner.publisher.commands())
                return len(got) >= 2

            owner.pump_until(collect)
            assert got == [(front, b"OFF"), (front, b"ON")]

            for number in range(300):
                other.publish(front, b"%d" % number)
            assert len(owner.publisher.commands()) <= 100


def test_a_stale_will_does_not_leave_us_offline(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker) as other, Owner(tmp_path, address(broker)) as owner:
        owner.pump_until(lambda: payloads(other.messages, TOPICS.status))
        other.publish(TOPICS.status, b"offline", retain=True)
        owner.pump_until(lambda: len(payloads(other.messages, TOPICS.status)) >= 3)
        assert payloads(other.messages, TOPICS.status)[-1] == b"online"


ACL = """
user camwatch
topic readwrite camwatch/nvr1/status
topic readwrite camwatch/nvr1/camera/#
topic write camwatch/nvr1/event/late
user other
topic readwrite #
"""


@pytest.mark.parametrize("said", [b"", b"offline"])
def test_what_another_one_says_in_our_name_does_not_stay(mosquitto: Start, tmp_path: Path, said: bytes) -> None:
    """A second node clears our topics if it has a copy of our state; one with our node says `offline` as it leaves."""
    broker = mosquitto()
    front = TOPICS.camera_availability("front_door")
    with Subscriber(broker) as other, Owner(tmp_path, address(broker)) as owner:
        owner.publisher.retain(front, b"online")
        owner.pump_until_connected()
        other.wait_for(lambda all_: payloads(all_, front) == [b"online"])
        for topic in (front, TOPICS.status):
            other.publish(topic, said, retain=True)
        for topic in (TOPICS.status, front):
            owner.pump_until(lambda topic=topic: payloads(other.messages, topic)[-2:] == [said, b"online"])
        assert payloads(other.messages, TOPICS.status).count(said) == 1


def test_a_half_open_connection_is_left_and_loses_nothing(
    mosquitto: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "KEEPALIVE", 1)
    broker = mosquitto()
    with Subscriber(broker) as seen, Proxy(broker.port) as proxy, Owner(tmp_path, address(proxy)) as owner:
        owner.pump_until_connected()
        assert proxy.half_open() == 1
        owner.put(event(1))
        owner.pump_until(lambda: owner.acknowledged)
        owner.put(event(2))
        owner.pump_until(lambda: len(owner.acknowledged) == 2)
        messages = seen.wait_for(lambda all_: len(payloads(all_, TOPICS.event)) == 2)
        assert ids(payloads(messages, TOPICS.event)) == [event(1).event_id, event(2).event_id]


def test_a_forbidden_topic_keeps_the_event_and_is_said_once(
    mosquitto: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = mosquitto(users={**USERS, "other": "other"}, acl=ACL)
    with caplog.at_level(logging.INFO), Owner(tmp_path, address(broker, **LOGIN)) as owner:
        owner.put(event(1), event(2))
        owner.publisher.retain("camwatch/nvr1/person/alice/state", b"{}")
        owner.pump_until(lambda: caplog.text.count("refuses messages to") == 2)
        owner.pump()
        assert owner.outbox.count() == 2
        assert caplog.text.count("refuses messages to camwatch/nvr1/event: Not authorized") == 1
        assert caplog.text.count("refuses messages to camwatch/nvr1/person/alice/state: Not authorized") == 1

        # A new connection asks again at once.
        broker.kill()
        owner.pump_until(lambda: not owner.publisher.connected)
        broker.start()
        owner.now = DECIDED + 60
        owner.pump_until_delivered()
        assert [each.late for each in owner.acknowledged] == [True, True]


def test_another_broker_gets_everything_and_the_old_one_a_goodbye(mosquitto: Start, tmp_path: Path) -> None:
    old, new = mosquitto(), mosquitto(users=USERS)
    state = TOPICS.camera_state("front_door")
    with Subscriber(old) as before, Subscriber(new, **LOGIN) as after, Owner(tmp_path, address(old)) as owner:
        owner.publisher.retain(state, b"{}")
        owner.put(event(1))
        owner.pump_until_delivered()
        owner.acknowledged += owner.publisher.move(address(new, **LOGIN), timeout=2.0)
        owner.put(event(2))
        owner.pump_until_delivered()
        before.wait_for(lambda all_: payloads(all_, TOPICS.status)[-1:] == [b"offline"])
        after.wait_for(lambda all_: payloads(all_, TOPICS.event) and payloads(all_, state) == [b"{}"])
        assert payloads(after.messages, TOPICS.status) == [b"online"]
        assert ids(payloads(before.messages, TOPICS.event)) == [event(1).event_id]
        assert ids(payloads(after.messages, TOPICS.event)) == [event(2).event_id]


def test_a_broker_that_was_left_keeps_no_socket_of_ours(mosquitto: Start, tmp_path: Path) -> None:
    old, new = mosquitto(), mosquitto()
    gc.disable()  # sockets must not live until somebody collects circles
    try:
        with Owner(tmp_path, address(old)) as owner:
            owner.pump_until_connected()
            before = psutil.Process().num_fds()
            for there in (new, old, new):
                owner.publisher.move(address(there), timeout=2.0)
                owner.pump_until_connected()
            assert psutil.Process().num_fds() == before
    finally:
        gc.enable()


def test_events_wait_through_a_move_between_two_brokers_that_are_down(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    with Subscriber(broker) as seen, Owner(tmp_path, Broker("127.0.0.1", 1)) as owner:
        owner.put(event(1))
        owner.pump_until(lambda: owner.publisher.problem)
        owner.publisher.move(address(broker), timeout=1.0)
        owner.pump_until_delivered()
        arrived = seen.wait_for(lambda all_: payloads(all_, TOPICS.event))
        assert ids(payloads(arrived, TOPICS.event)) == [event(1).event_id]


def test_commands_of_a_camera_that_came_later_are_heard(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    front, garden = TOPICS.camera_enabled_set("front"), TOPICS.camera_enabled_set("garden")
    with Subscriber(broker) as other, Owner(tmp_path, address(broker), subscriptions=[front]) as owner:
        owner.pump_until(lambda: owner.publisher.connected)
        owner.publisher.subscribe([garden])
        heard: list[Any] = []

        def asked() -> bool:
            other.publish(garden, b"OFF")
            other.publish(front, b"OFF")
            heard.extend(owner.publisher.commands())
            return garden in {command.topic for command in heard}

        owner.pump_until(asked)
        heard.clear()
        owner.pump_until(asked)
        assert {command.topic for command in heard} == {garden}
