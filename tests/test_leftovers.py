"""The check that system tests rely on finds what it must find."""

import subprocess
import sys

from tests import leftovers

SLEEP = "import time; time.sleep(60)"


def test_an_orphan_of_a_dead_parent_is_found_and_ended() -> None:
    watch = leftovers.Watch()
    with watch.marked():
        start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"
        subprocess.run([sys.executable, "-c", start], check=True)
    (left,) = watch.left(grace=0)
    assert SLEEP in left
    assert watch.left() == []


def test_what_ended_by_itself_is_not_left() -> None:
    watch = leftovers.Watch()
    with watch.marked():
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert watch.left(grace=0) == []


def test_a_process_that_drops_its_environment_is_found_by_its_parent() -> None:
    watch = leftovers.Watch()
    with watch.marked():
        process = subprocess.Popen([sys.executable, "-c", SLEEP], env={})
    assert len(watch.left(grace=0)) == 1
    process.wait()
