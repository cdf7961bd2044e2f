"""The set-up script on machines other than this one: what it installs, what it only names, what it leaves alone."""

import importlib.util
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "setup" / "system.py"
Answer = Callable[..., tuple[int, str]]


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with its policy file out of the system's way."""
    spec = importlib.util.spec_from_file_location("camwatch_setup_system", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "POLICY", tmp_path / "policy-rc.d")
    return module


def pretend(
    monkeypatch: pytest.MonkeyPatch, system: ModuleType, answer: Answer, *, root: bool
) -> list[tuple[str, ...]]:
    """Commands are recorded and answered, none runs."""
    ran: list[tuple[str, ...]] = []

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        code, output = answer(*command)
        return subprocess.CompletedProcess(command, code, output)

    monkeypatch.setattr(system, "run", run)
    monkeypatch.setattr(system, "can_install", lambda: root)
    monkeypatch.setattr(system.shutil, "which", lambda name: f"/usr/bin/{name}")
    return ran


def linker(*missing: str) -> str:
    """What `ldd` prints."""
    return "".join(f"\t{name} => not found\n" for name in missing) + "\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"


def test_libraries_are_named_where_they_cannot_be_installed(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, system, lambda *_: (0, linker("libxcb.so.1", "libGL.so.1")), root=False)
    with pytest.raises(SystemExit) as end:
        system.check_libraries()
    assert "libGL.so.1, libxcb.so.1" in str(end.value)
    assert "sudo apt-get install --no-install-recommends libgl1 libxcb1" in str(end.value)


def test_a_library_nobody_has_a_package_for_is_still_named(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = pretend(monkeypatch, system, lambda *_: (0, linker("libstrange.so.9")), root=True)
    with pytest.raises(SystemExit, match=r"libstrange\.so\.9"):
        system.check_libraries()
    assert {command[0] for command in ran} == {"ldd"}


def test_nothing_is_done_where_nothing_is_missing(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def all_there(*command: str) -> tuple[int, str]:
        return 0, linker() if command[0] == "ldd" else "".join(f"{p} installed\n" for p in system.SERVER_PACKAGES)

    ran = pretend(monkeypatch, system, all_there, root=True)
    system.check_libraries()
    system.check_servers()
    assert {command[0] for command in ran} == {"ldd", "dpkg-query"}
    assert capsys.readouterr() == ("", "")


def test_servers_are_installed_with_services_kept_off(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies: list[bool] = []

    def first_try_lacks_lists(*command: str) -> tuple[int, str]:
        if command[0] == "dpkg-query":
            return 1, "openssl installed\nmosquitto not-installed\n"
        policies.append(system.POLICY.exists())
        return (100, "Unable to locate package") if len(policies) == 1 else (0, "")

    ran = pretend(monkeypatch, system, first_try_lacks_lists, root=True)
    system.check_servers()
    assert [command[:2] for command in ran[1:]] == [
        ("apt-get", "install"),
        ("apt-get", "update"),
        ("apt-get", "install"),
        ("update-rc.d", "mosquitto"),
    ]
    assert "mosquitto" in ran[1]
    assert "openssl" not in ran[1]
    assert policies == [True, True, True, False]


def test_a_failed_install_ends_the_set_up_and_takes_its_policy_back(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, system, lambda *command: (int(command[0] == "apt-get"), "no network"), root=True)
    with pytest.raises(SystemExit, match="by hand: sudo apt-get install"):
        system.check_servers()
    assert not system.POLICY.exists()


def test_servers_are_only_named_without_root(
    system: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = pretend(monkeypatch, system, lambda *_: (1, ""), root=False)
    system.check_servers()
    assert {command[0] for command in ran} == {"dpkg-query"}
    assert "will be skipped; to run them: sudo apt-get install" in capsys.readouterr().err


def test_a_policy_that_was_there_stays(system: ModuleType) -> None:
    system.POLICY.write_text("mine")
    with system.services_stay_off():
        pass
    assert system.POLICY.read_text() == "mine"
