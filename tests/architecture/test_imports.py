"""What each process loads, seen at run time in fresh interpreters; `make check` proves the rest statically."""

import importlib.util
import json
import subprocess
import sys

import pytest

TENSORFLOW = {"tensorflow", "keras"}
RUNTIMES = TENSORFLOW | {"openvino", "jax"}
LEARNING = RUNTIMES | {"sklearn", "joblib"}
MQTT = {"paho", "amqtt"}
READER = LEARNING | MQTT | {"scipy", "cv2", "pydantic", "prometheus_client"}
HEAVY = LEARNING | MQTT | {"numpy", "cv2", "scipy", "av", "pydantic", "prometheus_client"}

LIGHT = {
    "camwatch": HEAVY,
    "camwatch.__main__": HEAVY,
    "camwatch.cli.program": HEAVY,
    "camwatch.errors": HEAVY,
    "camwatch.names": HEAVY,
    "camwatch.records": HEAVY - {"numpy"},
    "camwatch.config.model": LEARNING | MQTT,
    "camwatch.pipeline": LEARNING | MQTT,
    "camwatch.capture.source": READER,
    "camwatch.capture.motion": READER | {"av"},
    "camwatch.capture.sampling": READER | {"av"},
    "camwatch.capture.selection": READER,
    "camwatch.engine.alignment": RUNTIMES | MQTT,
    "camwatch.engine.analyzer": LEARNING | MQTT,
    "camwatch.engine.crops": LEARNING | MQTT,
    "camwatch.engine.loading": LEARNING | MQTT,
    "camwatch.engine.networks": LEARNING | MQTT,
    "camwatch.engine.quality": RUNTIMES | MQTT,
    "camwatch.engine.runtime": LEARNING | MQTT,
    "camwatch.engine.scripted": RUNTIMES | MQTT,
    "camwatch.engine.selftest": LEARNING | MQTT,
    "camwatch.engine.weights": RUNTIMES | MQTT,
    "camwatch.identification.gallery": LEARNING | MQTT | {"av"},
    "camwatch.identification.visits": LEARNING | MQTT | {"av"},
    "camwatch.publishing.events": LEARNING | MQTT | {"av"},
    "camwatch.publishing.outbox": LEARNING | MQTT | {"av"},
    "camwatch.service.inference_main": LEARNING | MQTT,  # which runtime it loads is chosen later
    "camwatch.service.reader_main": READER,
    "camwatch.service.ring": READER | {"av"},  # main counts by it
    "camwatch.service.app": LEARNING,
}
"""What importing a module must not load."""


def loaded(*arguments: str) -> set[str]:
    """Top-level packages in `sys.modules` after a fresh interpreter ran; it must end well."""
    code = (
        "import atexit, json, runpy, sys\n"
        "atexit.register(lambda: print('loaded', json.dumps(sorted({m.split('.')[0] for m in sys.modules}))))\n"
        "module, *rest = sys.argv[1:]\n"
        "if rest:\n"
        "    sys.argv[1:] = rest\n"
        "    runpy.run_module(module, run_name='__main__', alter_sys=True)\n"
        "else:\n"
        "    __import__(module)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    return set(json.loads(last.removeprefix("loaded ")))


@pytest.mark.parametrize("module", LIGHT)
def test_importing_a_module_stays_light(module: str) -> None:
    assert importlib.util.find_spec(module) is not None, f"{module} is gone; the list here must follow"
    heavy = loaded(module) & LIGHT[module]
    assert heavy == set()


@pytest.mark.parametrize("command", ["", "run", "watch", "enroll", "demo"])
def test_help_comes_without_numpy(command: str) -> None:
    heavy = loaded("camwatch", *command.split(), "--help") & (HEAVY - {"pydantic"})  # typer itself looks for pydantic
    assert heavy == set()


def test_a_reader_knows_neither_the_engine_nor_the_rest_of_the_path() -> None:
    code = "import camwatch.service.reader_main, sys; print(*[m for m in sys.modules if m.startswith('camwatch.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    stages = {name.split(".")[1] for name in done.stdout.split()}
    assert stages.isdisjoint({"engine", "identification", "publishing", "pipeline", "config", "cli", "tools"})
