"""The description of the machine."""

import os

from camwatch.tools.bench import machine

CPUINFO = """\
processor\t: 0
cpu family\t: 25
model name\t: Some Processor 3000
flags\t\t: fpu avx2 avx512f avx512_bf16 sse

processor\t: 1
model name\t: Another
"""


def test_what_is_told_of_the_processor(monkeypatch):
    monkeypatch.setattr(machine, "_read", lambda path: CPUINFO if path.name == "cpuinfo" else "MemTotal: 8388608 kB\n")
    told = machine.describe()
    assert (told["processor"], told["family"], told["model"]) == ("Some Processor 3000", "25", None)
    assert told["flags"] == ["avx2", "avx512f", "avx512_bf16"]
    assert told["memory_gb"] == 8.6
    assert "numpy" in told["packages"] and len(told["load_average"]) == 3


def test_a_machine_that_tells_nothing(monkeypatch):
    monkeypatch.setattr(machine, "_read", lambda path: "")
    told = machine.describe()
    assert (told["processor"], told["flags"], told["memory_gb"]) == (None, [], None)


def test_memory_of_a_process():
    held = machine.resident_mb(os.getpid())
    assert 1 < held["now"] <= held["peak"]
    assert machine.resident_mb(2**22 + 1) == {}
