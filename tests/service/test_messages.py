"""The pipe protocol: whole messages, torn messages, full pipes, and no byte lost in a record."""

import os
import select
import threading
from dataclasses import replace

import numpy as np
import pytest

from camwatch.records import Box, Detection, Enrolled, Face, Observation, Quality, Settled
from camwatch.service.messages import (
    Inbox,
    Message,
    Outlet,
    PipeError,
    encode,
    enrolled_from,
    enrolled_message,
    observation_from,
    observation_message,
    settled_from,
    settled_message,
)

RNG = np.random.default_rng(5)


@pytest.fixture
def pipe():
    read, write = os.pipe()
    inbox, outlet = Inbox(read), Outlet(write)
    yield inbox, outlet
    for end in (inbox, outlet):
        try:
            end.close()
        except OSError:
            assert end is outlet or end is inbox  # closed by the test


def face(with_chip: bool, with_embedding: bool) -> Face:
    marks = ((1.5, 2.0), (3.0, 2.0), (2.0, 3.0), (1.0, 4.0), (3.0, 4.0))
    chip = RNG.integers(0, 255, (160, 160, 3), np.uint8) if with_chip else None
    embedding = RNG.normal(size=512).astype(np.float32) if with_embedding else None
    return Face(Detection(Box(-3.5, 1, 40, 60.25), marks, 0.99), Quality(59.25, 80.0, 0.1, 0.7), chip, embedding)


def observation(*faces: Face) -> Observation:
    return Observation("front", 12, 1000.25, 5.5, 640, 360, faces)


def test_an_observation_survives_the_pipe_bit_for_bit(pipe):
    inbox, outlet = pipe
    followed, skipped = replace(face(True, True), follow=1 << 48), replace(face(True, False), follow=7, skipped=True)
    sent = observation(face(True, True), face(False, True), face(False, False), followed, skipped)
    sender = threading.Thread(target=outlet.send, args=[observation_message(sent)])
    sender.start()  # the message is larger than a pipe, so both ends must work
    messages: list[Message] = []
    while not messages:
        select.select([inbox], [], [], 10.0)
        messages, is_open = inbox.read()
        assert is_open
    sender.join()
    got = observation_from(messages[0])
    assert (got.camera, got.seq, got.captured_at, got.monotonic, got.width, got.height) == (
        "front", 12, 1000.25, 5.5, 640, 360,
    )  # fmt: skip
    for a, b in zip(sent.faces, got.faces, strict=True):
        assert a.detection == b.detection
        assert a.quality == b.quality
        assert (a.follow, a.skipped) == (b.follow, b.skipped)
        for x, y in ((a.chip, b.chip), (a.embedding, b.embedding)):
            assert (x is None) == (y is None)
            if x is not None:
                assert (x == y).all()
                assert y.flags.owndata, "what is kept of one face must not keep the whole message"


def test_who_is_settled_survives_the_pipe(pipe):
    inbox, outlet = pipe
    sent = Settled(frozenset({1, 1 << 48}), frozenset({5}))
    outlet.send(settled_message("front", sent))
    [got] = inbox.read()[0]
    assert settled_from(got) == ("front", sent)


def test_an_enrolled_photo_survives_the_pipe():
    rows = RNG.normal(size=(2, 512)).astype(np.float32)
    sent = Enrolled("Zoë", "zoe/1.jpg", "ab" * 32, rows, Quality(80, 50, 0.1, 0.9))
    got = enrolled_from(enrolled_message(sent, asked="ab" * 32))
    assert (got.person, got.photo, got.sha256, got.quality) == ("Zoë", "zoe/1.jpg", "ab" * 32, sent.quality)
    assert (got.embeddings == rows).all()


def test_messages_come_whole_whatever_the_pieces(pipe):
    inbox, outlet = pipe
    data = encode(Message("a", {"n": 1}, b"xyz")) + encode(Message("b"))
    got = []
    for byte in data:
        os.write(outlet.fd, bytes([byte]))
        messages, _ = inbox.read()
        got += messages
    assert [(m.kind, m.fields, m.blob) for m in got] == [("a", {"n": 1}, b"xyz"), ("b", {}, b"")]


def test_a_torn_message_is_dropped_with_its_pipe(pipe):
    inbox, outlet = pipe
    os.write(outlet.fd, encode(Message("a")) + encode(Message("b", {"n": 1}))[:-3])
    outlet.close()
    messages, is_open = inbox.read()
    assert [m.kind for m in messages] == ["a"]
    assert not is_open or inbox.read() == ([], False)


def test_rubbish_is_an_error_not_a_huge_allocation(pipe):
    inbox, outlet = pipe
    os.write(outlet.fd, b"\xff" * 64)
    with pytest.raises(PipeError, match="no message"):
        inbox.read()


def test_sending_to_nobody_says_so(pipe):
    inbox, outlet = pipe
    inbox.close()
    with pytest.raises(PipeError, match="gone"):
        outlet.send(Message("a"))


def test_sending_to_one_who_never_reads_ends(pipe):
    _, outlet = pipe
    with pytest.raises(PipeError, match="read nothing"):
        outlet.send(Message("a", {}, bytes(1 << 20)), timeout=0.1)
