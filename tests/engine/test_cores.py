import os
from pathlib import Path

import pytest

from camwatch.engine import cores as module
from camwatch.engine.cores import cores, scarce


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for what the kernel tells of groups, on a machine with 16 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    monkeypatch.setattr(module, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(module, "_MOUNTS", tmp_path / "mounts")
    return tmp_path


def told(machine: Path, groups: str, **files: str) -> int:
    (machine / "groups").write_text(groups)
    for name, content in files.items():
        path = machine / "mounts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return cores()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("50000 25000\n", 2),
        ("6400000 100000\n", 16),
        ("max 100000\n", 16),
        ("", 16),
        ("rubbish\n", 16),
        ("1 0\n", 16),
        ("0 100000\n", 1),
    ],
)
def test_a_container_is_granted_cores(machine: Path, content: str, expected: int) -> None:
    assert told(machine, "0::/\n", **{"cpu.max": content}) == expected


def test_a_group_further_out_may_grant_less(machine: Path) -> None:
    files = {"a.slice/cpu.max": "300000 100000", "a.slice/b.service/cpu.max": "max 100000", "cpu.max": "max 100000"}
    assert told(machine, "0::/a.slice/b.service\n", **files) == 3
    assert told(machine, "0::/a.slice/b.service\n", **{"a.slice/b.service/cpu.max": "100000 100000"}) == 1
    assert told(machine, "0::/other\n") == 16


@pytest.mark.parametrize("controllers", ["cpu,cpuacct", "cpu"])
@pytest.mark.parametrize("inside", [True, False], ids=["path-inside", "path-outside"])
def test_version_1_grants_them_too(machine: Path, controllers: str, inside: bool) -> None:
    groups = f"7:memory:/docker/abc\n4:{controllers}:/docker/abc\n2:cpuset:/docker/abc\n0::/\n"
    group = f"{controllers}/docker/abc" if inside else controllers
    files = {f"{group}/cpu.cfs_period_us": "100000\n"}
    assert told(machine, groups, **files, **{f"{group}/cpu.cfs_quota_us": "-1\n"}) == 16
    assert told(machine, groups, **files, **{f"{group}/cpu.cfs_quota_us": "250000\n"}) == 3


def test_without_groups_it_is_what_the_process_may_run_on(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cores() == 16
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5})
    assert told(machine, "0::/\n", **{"cpu.max": "400000 100000"}) == 2


def test_only_where_there_are_less_than_libraries_see_is_it_told_to_them(machine: Path) -> None:
    assert scarce() is None
    told(machine, "0::/\n", **{"cpu.max": "200000 100000"})
    assert scarce() == 2
