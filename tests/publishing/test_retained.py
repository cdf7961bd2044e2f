"""Retained values: last one wins, again on demand."""

from camwatch.publishing.retained import Retained


def test_only_the_last_value_of_a_topic_is_sent() -> None:
    values = Retained()
    values.set("a", b"1")
    values.set("b", b"1")
    values.set("a", b"2")
    assert values.take(10) == [("a", b"2"), ("b", b"1")]
    assert values.settled


def test_the_same_value_again_is_nothing_new() -> None:
    values = Retained()
    values.set("a", b"1")
    values.take(10)
    values.set("a", b"1")
    assert values.settled
    values.set("a", b"2")
    assert values.take(10) == [("a", b"2")]


def test_no_more_than_there_is_room_for() -> None:
    values = Retained()
    for topic in "abc":
        values.set(topic, b"1")
    assert values.take(0) == []
    assert values.take(-3) == []
    assert [topic for topic, _ in values.take(2)] == ["a", "b"]
    assert [topic for topic, _ in values.take(2)] == ["c"]


def test_everything_again_in_the_first_order() -> None:
    values = Retained()
    for topic in ("status", "a", "b"):
        values.set(topic, b"1")
    values.take(10)
    values.set("b", b"2")
    values.again()
    assert values.take(10) == [("status", b"1"), ("a", b"1"), ("b", b"2")]
    values.again("a")
    values.again("unheard of")
    assert values.take(10) == [("a", b"1")]


def test_a_cleared_topic_is_forgotten_once_the_broker_knows() -> None:
    values = Retained()
    values.set("a", b"1")
    values.set("b", b"1")
    values.take(10)
    values.set("a", b"")
    assert values.take(10) == [("a", b"")]
    values.again()
    assert ("a", b"") in values.take(10)
    values.acknowledged("a")
    values.acknowledged("b")
    values.again()
    assert values.take(10) == [("b", b"1")]


def test_a_topic_set_anew_while_its_clearing_is_on_the_way_stays() -> None:
    values = Retained()
    values.set("a", b"")
    values.take(10)
    values.set("a", b"2")
    values.acknowledged("a")
    assert values.take(10) == [("a", b"2")]


def test_only_what_cleared_a_topic_counts_as_cleared():
    retained = Retained()
    retained.set("a", b"1")
    retained.take(1)
    retained.set("a", b"")
    retained.take(1)
    retained.acknowledged("a", b"1")
    assert retained.get("a") == b"" and retained.cleared() == [], "the answer to the value says nothing of the clearing"
    retained.acknowledged("a", b"")
    assert retained.get("a") is None
    retained.set("a", b"2")
    assert retained.cleared() == [], "it has got a value since"
