"""Faults of our own processes, and of another daemon beside ours."""

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from tests.faults.fault import Cure
from tests.faults.world import World
from tests.system.daemon import Daemon

MEMORY = (psutil.RLIMIT_AS, psutil.RLIMIT_DATA)
AT_WORK = 1.5
"""Seconds to wait at most for a moment in which inference computes."""


def _inference(world: World) -> psutil.Process | None:
    for process in world.processes()[1:]:
        with suppress(psutil.Error):
            if "inference_main" in " ".join(process.cmdline()):
                return process
    return None


def _killed(process: psutil.Process | None) -> None:
    if process is not None:
        with suppress(psutil.Error):
            process.kill()


def _stopped(process: psutil.Process | None) -> Cure:
    if process is None:
        return Cure()
    with suppress(psutil.Error):
        process.suspend()
    return Cure(lambda: _continue([process]))


def _continue(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.resume()


def _is_another(process: psutil.Process | None, than: psutil.Process | None) -> bool:
    return process is not None and process != than


def reader_kill(world: World, camera: str, dice: random.Random) -> Cure:
    """Ended without a word."""
    reader = world.daemon.reader(camera)
    _killed(reader)
    return Cure(proof=lambda: _is_another(world.daemon.reader(camera), reader))


def reader_stop(world: World, camera: str, dice: random.Random) -> Cure:
    """It hangs, then goes on, or was aborted meanwhile."""
    return _stopped(world.daemon.reader(camera))


def inference_kill(world: World, where: str, dice: random.Random) -> Cure:
    """Ended without a word."""
    process = _inference(world)
    _killed(process)
    return Cure(proof=lambda: _is_another(_inference(world), process))


def inference_kill_at_work(world: World, where: str, dice: random.Random) -> Cure:
    """The same in the middle of a batch, as by the kernel when a batch makes memory short."""
    process = _inference(world)
    deadline = time.monotonic() + AT_WORK
    while process is not None and time.monotonic() < deadline and not _computes(process):
        pass
    return inference_kill(world, where, dice)


def _computes(process: psutil.Process, seconds: float = 0.01) -> bool:
    """Whether it had a processor for more than half of the next moment."""
    before = _run_time(process.pid)
    time.sleep(seconds)
    return _run_time(process.pid) - before > seconds / 2


def _run_time(pid: int) -> float:
    """Seconds that all threads have run; the kernel's own count, since the usual one has steps of 10 ms."""
    total = 0
    with suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def inference_stop(world: World, where: str, dice: random.Random) -> Cure:
    """It hangs, then goes on, or was aborted meanwhile."""
    return _stopped(_inference(world))


def inference_without_memory(world: World, where: str, dice: random.Random) -> Cure:
    """No byte more for it, and pictures that need more: batches fail in the middle, after three it is started afresh.

    What it has already is enough for the usual pictures, so a camera sends far larger ones meanwhile.
    """
    process = _inference(world)
    if process is None:
        return Cure()
    camera = dice.choice(sorted(world.cameras))
    for limit in MEMORY:
        with suppress(psutil.Error):
            process.rlimit(limit, (1 << 20, psutil.RLIM_INFINITY))
    clip = world.cameras[camera].clip
    world.command(camera, "switch", file=clip.large)

    def enough_again() -> None:
        world.command(camera, "switch", file=clip.file)
        for limit in MEMORY:
            with suppress(psutil.Error):
                process.rlimit(limit, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))

    return Cure(enough_again)


def descriptors(world: World, where: str, dice: random.Random) -> Cure:
    """Main may open no further file."""
    main = psutil.Process(world.daemon.pid)
    before = main.rlimit(psutil.RLIMIT_NOFILE)
    main.rlimit(psutil.RLIMIT_NOFILE, (main.num_fds(), before[1]))
    return Cure(lambda: main.rlimit(psutil.RLIMIT_NOFILE, before))


def main_kill(world: World, where: str, dice: random.Random) -> Cure:
    """Ended without a word; the service manager starts it again."""
    children = world.processes()[1:]
    world.daemon.signal(signal.SIGKILL)
    psutil.wait_procs(children, timeout=5)
    return Cure(world.daemon.start)


def main_stop(world: World, where: str, dice: random.Random) -> Cure:
    """An orderly restart."""
    world.daemon.stop()
    return Cure(world.daemon.start)


def host_suspended(world: World, where: str, dice: random.Random) -> Cure:
    """Everything of ours stands still, then goes on."""
    processes = world.processes()
    for process in processes:
        with suppress(psutil.Error):
            process.suspend()
    return Cure(lambda: _continue(processes))


def second_daemon(world: World, where: str, dice: random.Random) -> Cure:
    """The same service started once more by hand: it must go away again and do no harm."""
    other = world.folder / "second.yml"
    config = json.loads(json.dumps(world.config))
    config["http"]["port"] += 1
    other.write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [sys.executable, "-m", "camwatch", "run", str(other)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def see_it_go() -> None:
        try:
            told, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            told, _ = process.communicate()
            world.complaints.append("a second daemon with the same state went on")
        if process.returncode == 0 or "Traceback" in told or "in use by another camwatch" not in told:
            world.complaints.append(f"a second daemon ended with {process.returncode}: {told[-300:]}")

    return Cure(see_it_go)


def same_node(world: World, where: str, dice: random.Random) -> Cure:
    """Another daemon with a state of its own and our node, before one of our cameras; it stops, or is killed."""
    camera = dice.choice(sorted(world.cameras))
    folder = world.folder / "same-node"
    folder.mkdir(exist_ok=True)
    config = json.loads(json.dumps(world.config))
    config["http"]["port"] += 2
    config["events"]["state"] = str(world.other_state)
    config["cameras"] = {camera: config["cameras"][camera]}
    other = Daemon(config, folder)
    world.guests.append(other)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and other.get("/readyz")[0] != 200:
        time.sleep(0.25)
    gently = dice.random() < 0.5

    def go() -> None:
        if gently:
            other.stop()
        children = other.children() if not gently else []
        other.close()
        psutil.wait_procs(children, timeout=5)
        world.guests.remove(other)

    return Cure(go)
