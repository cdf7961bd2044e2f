"""What this machine computes in a second: the floor under every network."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from camwatch.tools.bench.work import Prepared, Task, Unable

_GEMM = 1024
_CONVOLUTIONS = {"3x3 64->64": (64, 64), "3x3 192->192": (192, 192), "3x3 10->16": (10, 16)}
_TRIALS, _SECONDS = 6, 0.3


class Rates:
    """Measures matrix products and convolutions with TensorFlow, in float32 and bfloat16."""

    def __init__(self, threads: int) -> None:
        """Load TensorFlow."""
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(threads, 2))
        tf.config.set_visible_devices([], "GPU")
        self._tf: Any = tf

    def prepare(self, task: Task) -> Prepared:
        """See `Contestant`."""
        if task["kind"] != "rates":
            raise Unable(f"the machine does not do {task['kind']}")
        return Prepared(self._rates, 1)

    def _rates(self) -> dict[str, dict[str, float]]:
        """GFLOP in a second of CPU time, and of wall time."""
        return {
            f"{name} {kind}": self._rate(make, kind)
            for kind in ("float32", "bfloat16")
            for name, make in self._work().items()
        }

    def _work(self) -> dict[str, Callable[[Any], tuple[Any, float]]]:
        def gemm(dtype: Any) -> tuple[Any, float]:
            a, b = (self._random((_GEMM, _GEMM), dtype) for _ in range(2))
            return lambda: self._tf.matmul(a, b), 2.0 * _GEMM**3

        def conv(inside: int, out: int) -> Callable[[Any], tuple[Any, float]]:
            def make(dtype: Any) -> tuple[Any, float]:
                x, k = self._random((4, 40, 40, inside), dtype), self._random((3, 3, inside, out), dtype)
                return lambda: self._tf.nn.conv2d(x, k, 1, "VALID"), 2.0 * 9 * inside * out * 4 * 38 * 38

            return make

        return {"matrix product": gemm, **{name: conv(*shape) for name, shape in _CONVOLUTIONS.items()}}

    def _random(self, shape: Sequence[int], dtype: Any) -> Any:
        values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        return self._tf.Variable(self._tf.cast(values, dtype))

    def _rate(self, make: Callable[[Any], tuple[Any, float]], kind: str) -> dict[str, float]:
        """The best of a few trials: a floor is what the machine can do undisturbed."""
        work, flops = make(self._tf.as_dtype(kind))
        run = self._tf.function(work, autograph=False)
        run()
        best = {"cpu": 0.0, "wall": 0.0}
        for _ in range(_TRIALS):
            cpu, wall, times = time.process_time(), time.perf_counter(), 0
            while time.perf_counter() - wall < _SECONDS:
                run().shape  # noqa: B018 - eager results are ready when they are there
                times += 1
            took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
            best = {name: max(best[name], flops * times / 1e9 / seconds) for name, seconds in took.items()}
        return best
