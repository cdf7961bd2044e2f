import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from camwatch.engine.cores import cores
from camwatch.engine.tensorflow_runtime import configure_tensorflow, load_tensorflow
from camwatch.errors import InputError

pytestmark = pytest.mark.weights


def fresh(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a new interpreter that has not seen TensorFlow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_", "CUDA_"))}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=kept | environment
    )


def test_threads_are_set_before_tensorflow_computes() -> None:
    done = fresh(
        "import cv2\n"
        "from camwatch.engine.tensorflow_runtime import configure_tensorflow, load_tensorflow\n"
        "print(configure_tensorflow(threads=1, device='cpu'))\n"
        "tf = load_tensorflow()\n"
        "float(tf.constant(1.0) + 1.0)\n"
        "threading = tf.config.threading\n"
        "print(threading.get_intra_op_parallelism_threads(), cv2.getNumThreads())\n"
        "print(threading.get_inter_op_parallelism_threads())\n"
        "print(configure_tensorflow(threads=1, device='cpu'))\n"
    )
    assert done.returncode == 0, done.stderr
    calls = min(cores(), 4)  # of several threads, side by side
    assert done.stdout.split() == ["cpu", "1", "1", str(calls), "cpu"]
    assert "oneDNN" not in done.stderr
    assert "already running" not in done.stderr


def test_where_cores_are_granted_by_time_there_are_no_more_threads() -> None:
    done = fresh(
        "import cv2\n"
        "from camwatch.engine import tensorflow_runtime as runtime\n"
        "runtime.scarce = lambda: 1\n"
        "runtime.configure_tensorflow(device='cpu')\n"
        "print(runtime.load_tensorflow().config.threading.get_intra_op_parallelism_threads(), cv2.getNumThreads())\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "1"]


def test_settings_that_come_too_late_are_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "setNumThreads", lambda _: None)
    tf = load_tensorflow()
    float(tf.constant(1.0) + 1.0)
    used = tf.config.threading.get_intra_op_parallelism_threads()
    assert configure_tensorflow(threads=7 if used != 7 else 8) in ("cpu", "gpu")
    assert "already running" in caplog.text


def test_a_gpu_that_is_not_there_is_refused() -> None:
    if load_tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("TensorFlow sees a GPU here")
    with pytest.raises(InputError, match="TensorFlow sees no GPU"):
        configure_tensorflow(device="gpu")


def test_another_keras_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND is 'jax'"):
        load_tensorflow()


def test_loading_writes_nothing_and_keeps_what_others_write():
    script = "\n".join(
        [
            "import os, sys",
            "from camwatch.engine import tensorflow_runtime as runtime",
            "runtime.load_tensorflow()",
            "with runtime._quiet_stderr():",
            "    os.write(2, b'I0000 00:00:1.2 1 a.cc:1] chatter\\nE0000 00:00:1.2 1 a.cc:1] an error\\nplain\\n')",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "E0000 00:00:1.2 1 a.cc:1] an error\nplain\n"


DYING = """
import faulthandler, os
from camwatch.engine import tensorflow_runtime as runtime
faulthandler.enable()
def deep():
    with runtime._quiet_stderr():
        os.write(2, b'I0000 00:00:1.2 1 a.cc:1] chatter\\n')
        os.write(2, b'F0000 00:00:1.2 1 a.cc:1] last words without an end')
        os.abort()
deep()
"""


def test_a_crash_while_stderr_is_filtered_loses_no_words() -> None:
    done = fresh(DYING)
    assert done.returncode == -signal.SIGABRT
    assert "last words without an end" in done.stderr and "chatter" not in done.stderr
    assert "Fatal Python error: Aborted" in done.stderr and "in deep" in done.stderr


def test_what_is_written_just_before_a_silent_end_arrives() -> None:
    script = (
        "import os\n"
        "from camwatch.engine import tensorflow_runtime as runtime\n"
        "with runtime._quiet_stderr():\n"
        "    os.write(2, b'x\\n')\n"
    )
    assert fresh(script + "    os._exit(3)").stderr == "x\n"
    assert fresh(script + "    os.kill(os.getpid(), 9)").stderr == "x\n"


def test_without_a_process_to_spare_nothing_is_lost_but_quiet() -> None:
    done = fresh(
        "import os, sys\nfrom camwatch.engine import tensorflow_runtime as runtime\nsys.executable = '/nonexistent'\n"
        "with runtime._quiet_stderr():\n    os.write(2, b'I0000 chatter\\n')"
    )
    assert (done.returncode, done.stderr) == (0, "I0000 chatter\n")


CPU = "processor\t: 0\nmodel name\t: Celeron with no avx\n{features}\nbugs\t\t: avx\n"
LOAD = """
import pathlib
from camwatch.engine import tensorflow_runtime as runtime
from camwatch.errors import InputError
runtime._CPUINFO = pathlib.Path({cpuinfo!r})
try:
    print(runtime.load_tensorflow().answer)
except InputError as error:
    print("refused:", error)
"""
DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGABRT)\n"
WORKS = "class config:\n    list_physical_devices = lambda kind: []\nanswer = 42\n"


@pytest.mark.parametrize(
    ("features", "module", "said"),
    [
        ("flags\t\t: fpu sse4_2", DIES, "refused: this processor has no AVX"),
        ("flags\t\t: fpu sse4_2", WORKS, "42"),
        ("flags\t\t: fpu avx sse4_2", WORKS, "42"),
        ("Features\t: fp asimd", WORKS, "42"),
    ],
    ids=["none", "none-but-another-build", "avx", "arm"],
)
def test_a_processor_without_avx_is_refused_where_tensorflow_needs_it(
    tmp_path: Path, features: str, module: str, said: str
) -> None:
    (tmp_path / "tensorflow.py").write_text(module)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(CPU.format(features=features))
    done = fresh(LOAD.format(cpuinfo=str(cpuinfo)), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said) and done.stdout.count("\n") == 1
