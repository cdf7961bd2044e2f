"""The soak's arithmetic, and that it sees what a process has."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from camwatch.service.ring import create_ring
from tests.soak.samples import Sample, Taken, take
from tests.soak.slopes import SETTLING, lives, slope, slopes, table


def test_a_line_is_found_with_its_error() -> None:
    points = [(10.0 * n, 100 + 0.01 * n + (0.5 if n % 2 else -0.5)) for n in range(400)]
    found = slope("memory", "MiB", points)
    assert found.hourly is not None and found.error is not None
    assert found.hourly == pytest.approx(3.6, abs=0.2)
    assert 0 < found.error < 0.2


def test_what_is_taken_while_it_settles_is_no_growth() -> None:
    points = [(float(at), 50 + min(at, SETTLING)) for at in range(0, 4000, 10)]
    found = slope("memory", "MiB", points)
    assert found.hourly == pytest.approx(0, abs=1e-6)
    assert (found.first, found.last, found.most) == (650, 650, 650)


def test_few_samples_give_no_line() -> None:
    assert slope("memory", "", [(0.0, 1.0), (10.0, 2.0)]).hourly is None


def test_lives_are_told_apart() -> None:
    samples = [
        Sample(float(n), {"main": Taken(1, 9, 9, 5, 3), "reader a": Taken(n, 9, 9, 5, 3)}, 1, 10, 20, 0)
        for n in range(12)
    ]
    assert lives(samples) == {"main": 1, "reader a": 12}
    assert "| main: descriptors | 5.0 | 5.0 | 5.0 | +0.00 | 0.00 |" in table(slopes(samples))


def test_it_sees_segments_files_and_the_database(tmp_path: Path) -> None:
    (tmp_path / "events.sqlite").write_bytes(bytes(1000))
    (tmp_path / "events.sqlite-wal").write_bytes(bytes(500))
    (tmp_path / "kept.json").write_bytes(bytes(7))
    before = take(os.getpid(), tmp_path, time.monotonic(), outbox=3)
    fd = create_ring("soak", slot_bytes=64)
    try:
        now = take(os.getpid(), tmp_path, time.monotonic() - 5, outbox=3)
    finally:
        os.close(fd)
    assert now.segments == before.segments + 1
    assert now.processes["main"].descriptors == before.processes["main"].descriptors + 1
    assert (now.database, now.state, now.outbox) == (1500, 1507, 3)
    assert now.at >= 5 and now.processes["main"].pss > 10


@pytest.mark.system
@pytest.mark.weights
@pytest.mark.timeout(240)
def test_a_short_soak_loses_nothing(tmp_path: Path) -> None:
    """The whole program once: `make soak` is seldom run, and must not be found broken when it is needed."""
    command = [sys.executable, "-m", "tests.soak", "--minutes", "0.3", "--every", "6"]
    command += ["--json", str(tmp_path / "s.json")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)
    assert run.returncode == 0, run.stderr[-3000:] + run.stdout
    assert "not arrived before the stop 0" in run.stdout and json.loads((tmp_path / "s.json").read_text())
