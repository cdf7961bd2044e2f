"""Real children: started, heard, killed, hung, stopped; main's own death ends them too."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from camwatch.service.backoff import Backoff
from camwatch.service.messages import Message
from camwatch.service.supervisor import Child, Supervisor

SECRET = "hunter2-very-secret"


def child(behaviour: str, **limits: float) -> Child:
    return Child(
        name="test child",
        module="tests.service.child",
        job=lambda: {"behaviour": behaviour, "secret": SECRET, "log_format": "text", "process": "child"},
        fds=(),
        silence=limits.get("silence", 30.0),
        start_silence=limits.get("start_silence", 30.0),
        backoff=Backoff(first=0.1, limit=0.2),
    )


@pytest.fixture
def supervisor():
    supervisor = Supervisor()
    yield supervisor
    supervisor.stop_all(list(supervisor.children))


def listen(supervisor: Supervisor, until, seconds: float = 20.0) -> list[Message]:
    """Run the owner's loop until a condition on all messages so far holds."""
    messages: list[Message] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        supervisor.step(time.monotonic())
        ends = [inbox for _, inbox in supervisor.inboxes()]
        select.select(ends, [], [], 0.05)
        for one in list(supervisor.children.values()):
            messages += supervisor.read(one, time.monotonic())
        supervisor.bury(time.monotonic())
        if until(messages):
            return messages
    raise AssertionError(f"not seen within {seconds} s; messages: {[m.kind for m in messages]}")


def hellos(messages: list[Message]) -> list[int]:
    return [m.fields["pid"] for m in messages if m.kind == "hello"]


def test_the_job_reaches_the_child_and_its_secret_no_command_line(supervisor):
    supervisor.add(child("beat"), time.monotonic())
    messages = listen(supervisor, lambda ms: len(ms) >= 3)
    hello = messages[0].fields
    assert hello["secret_seen"] == SECRET
    cmdline = Path(f"/proc/{hello['pid']}/cmdline").read_bytes().decode()
    environ = Path(f"/proc/{hello['pid']}/environ").read_bytes().decode()
    assert "tests.service.child" in cmdline
    assert SECRET not in cmdline + environ


def test_a_killed_child_comes_back_and_is_counted(supervisor):
    supervisor.add(child("beat"), time.monotonic())
    first = hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0]
    os.kill(first, signal.SIGKILL)
    second = hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0]
    assert second != first
    assert supervisor.children["test child"].restarts == 1


def test_a_child_that_dies_at_once_is_retried_with_growing_delays(supervisor):
    supervisor.add(child("exit"), time.monotonic())
    messages = listen(supervisor, lambda ms: len(hellos(ms)) == 3)
    assert len(set(hellos(messages))) == 3
    assert supervisor.children["test child"].backoff.failures >= 2


def test_what_a_dead_child_left_half_written_harms_nobody(supervisor):
    supervisor.add(child("torn"), time.monotonic())
    messages = listen(supervisor, lambda ms: len(hellos(ms)) == 2)
    assert {m.kind for m in messages} == {"hello"}


@pytest.mark.parametrize("how", ["silent", "stopped"])
def test_a_hung_child_is_aborted_and_comes_back(supervisor, how):
    supervisor.add(child("silent" if how == "silent" else "beat", silence=0.5), time.monotonic())
    first = hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0]
    if how == "stopped":
        os.kill(first, signal.SIGSTOP)
    listen(supervisor, lambda ms: len(hellos(ms)) == 1)
    assert not Path(f"/proc/{first}").exists()


def test_a_child_told_to_stop_with_its_job_ends_at_once(supervisor):
    supervisor.add(child("beat"), time.monotonic())
    pid = supervisor.children["test child"].pid
    supervisor.stop_child("test child")
    assert not Path(f"/proc/{pid}").exists()


def test_what_a_dying_child_said_last_is_heard_before_its_death(supervisor):
    told: list[str] = []
    supervisor.on_death = lambda dead: told.append("death")
    supervisor.add(child("exit"), time.monotonic())
    one = supervisor.children["test child"]
    deadline = time.monotonic() + 20
    while "death" not in told and time.monotonic() < deadline:
        select.select([inbox for _, inbox in supervisor.inboxes()], [], [], 0.05)
        told += [message.kind for message in supervisor.read(one, time.monotonic())]
        supervisor.bury(time.monotonic())
    assert told == ["hello", "death"]


def test_a_start_without_descriptors_is_tried_again_and_leaks_none(supervisor, monkeypatch):
    def none_left() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", none_left)
        supervisor.add(child("beat"), time.monotonic())
        for _ in range(3):
            supervisor.step(time.monotonic() + 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    supervisor.step(time.monotonic() + 1000)
    assert hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))


def test_a_stopped_child_stays_stopped(supervisor):
    supervisor.add(child("beat"), time.monotonic())
    pid = hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0]
    supervisor.stop_child("test child")
    assert not Path(f"/proc/{pid}").exists()
    supervisor.step(time.monotonic() + 1000)
    assert supervisor.children["test child"].pid is None
    supervisor.restart_child("test child", time.monotonic())
    assert hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0] != pid


def test_a_stopped_child_is_heard_to_its_last_word(supervisor, caplog):
    supervisor.add(child("talkative"), time.monotonic())
    listen(supervisor, hellos)
    said = supervisor.stop_all(["test child"])
    assert [message.fields["number"] for message in said if message.kind == "word"] == list(range(20))
    assert "killing it" not in caplog.text


def test_a_deaf_or_frozen_child_is_killed_at_the_stop(supervisor):
    supervisor.add(child("deaf"), time.monotonic())
    pid = hellos(listen(supervisor, lambda ms: len(hellos(ms)) == 1))[0]
    supervisor.stop_all(["test child"])
    assert not Path(f"/proc/{pid}").exists()


MAIN = """
import sys, time
from tests.service.test_supervisor import child, listen, hellos
from camwatch.service.supervisor import Supervisor
s = Supervisor()
s.add(child(sys.argv[1]), time.monotonic())
print(hellos(listen(s, lambda ms: hellos(ms)))[0], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("behaviour", ["beat", "deaf"])
def test_when_main_is_killed_its_children_end_by_themselves(behaviour):
    main = subprocess.Popen([sys.executable, "-c", MAIN, behaviour], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    pid = int(main.stdout.readline())
    main.kill()
    main.wait()
    main.stdout.close()
    deadline = time.monotonic() + 15
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_a_removed_child_is_gone_and_nobody_is_told_that_it_died(supervisor):
    died = []
    supervisor.on_death = died.append
    supervisor.add(child("beat"), time.monotonic())
    [pid] = hellos(listen(supervisor, lambda ms: hellos(ms)))
    supervisor.remove(["test child", "never there"])
    assert supervisor.children == {} and died == []
    assert not Path(f"/proc/{pid}").exists()
    supervisor.add(child("beat"), time.monotonic())
    assert hellos(listen(supervisor, lambda ms: hellos(ms))) != [pid]
