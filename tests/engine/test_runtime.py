from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from camwatch.engine import runtime
from camwatch.engine.runtime import choose, has_bfloat16, open_runtime
from camwatch.errors import InputError

EPYC = "processor\t: 0\nmodel name\t: EPYC\nflags\t\t: fpu sse4_2 avx512f avx512_bf16\nbugs\t\t: sysret\n"
XEON = "processor\t: 0\nflags\t\t: fpu avx512f amx_bf16 amx_tile\n"
OLD = "processor\t: 0\nflags\t\t: fpu sse4_2 avx2\nbugs\t\t: avx512_bf16\n"
GRAVITON = "processor\t: 0\nFeatures\t: fp asimd svebf16 bf16\nCPU implementer\t: 0x41\n"
PI = "processor\t: 0\nFeatures\t: fp asimd crc32\nCPU implementer\t: 0x41\n"


def installed(monkeypatch: pytest.MonkeyPatch, *names: str, gpu: bool = False) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: ModuleSpec(name, None) if name in names else None)
    monkeypatch.setattr(runtime, "_GPU", Path("/dev/null" if gpu else "/no/such/device"))


def test_on_a_cpu_openvino_comes_first_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorflow", "openvino", "jax")
    assert choose() == choose("cpu") == ("openvino", "tensorflow")
    installed(monkeypatch, "tensorflow", "jax")
    assert choose() == ("tensorflow",)
    installed(monkeypatch, "openvino")
    assert choose() == ("openvino",)


def test_on_a_gpu_tensorflow_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorflow", "openvino", "jax", gpu=True)
    assert choose() == ("tensorflow", "openvino")
    assert choose("gpu") == ("tensorflow",)
    assert choose("cpu") == ("openvino", "tensorflow")
    installed(monkeypatch, "openvino", gpu=True)
    assert choose() == ("openvino",)
    assert choose("gpu") == ("tensorflow",)


@pytest.mark.parametrize(
    ("name", "advice"),
    [("openvino", "'camwatch[openvino]'"), ("jax", "'camwatch[jax]'"), ("tensorflow", "tensorflow")],
)
def test_what_is_not_installed_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, name: runtime.RuntimeName, advice: str
) -> None:
    installed(monkeypatch)
    with pytest.raises(InputError) as caught:
        open_runtime(name)
    assert str(caught.value) == f"engine.runtime {name}: it is not installed: pip install {advice}"


def test_openvino_is_for_cpus() -> None:
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match=r"^engine\.device gpu: the runtime openvino is for CPUs here: .*$"):
        open_runtime("openvino", device="gpu")


@pytest.mark.parametrize(
    ("content", "has"),
    [(EPYC, True), (XEON, True), (OLD, False), (GRAVITON, True), (PI, False), ("", False)],
    ids=["avx512", "amx", "old", "arm", "old-arm", "empty"],
)
def test_the_processor_is_asked_for_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, has: bool
) -> None:
    (tmp_path / "cpuinfo").write_text(content)
    monkeypatch.setattr(runtime, "_CPUINFO", tmp_path / "cpuinfo")
    assert has_bfloat16() is has


def test_where_the_processor_cannot_be_asked_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_CPUINFO", tmp_path / "absent")
    assert has_bfloat16() is False
