"""OpenVINO as a runtime, for CPUs: converted networks are kept in a folder, so that a start does not convert again.

A kept network is two files in OpenVINO's own format and a note with their hashes. Its name says which weights, which
description and which OpenVINO it is of; one that does not match its note is made anew, one that nobody has read for a
month goes. For bfloat16 its weights are kept as float16, which has more digits than the processor is going to use and
takes half the memory of float32.

Several processes may share the folder. While one writes, it holds a lock on it that others may share, so that who gets
it alone knows that unfinished work in it was left by the dead. See flock(2).
"""

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import inspect
import json
import logging
import mmap
import os
import re
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from camwatch.engine import frozen_graph, graph_messages, inception_resnet, networks, openvino_builder, weights
from camwatch.engine.cores import cores, scarce
from camwatch.engine.openvino_builder import OpenVinoBuilder
from camwatch.engine.openvino_import import ov
from camwatch.engine.runtime import Network, Precision, Run, RuntimeName

_log = logging.getLogger(__name__)

_HINT = {"float32": "f32", "bfloat16": "bf16"}
_NOTE = "note.json"
_PARTS = ("network.xml", "network.bin")
_SOURCES = (networks, openvino_builder, inception_resnet, frozen_graph, graph_messages, weights)
_MOST_STREAMS = 4
_MAPS = Path("/proc/self/maps")
_LIBC = ctypes.CDLL(None)
_NEW = ".new-"
_OURS = re.compile(r"[a-z]+-(float32|bfloat16)-[0-9a-f]{20}")
_OURS_NEW = re.compile(r"\.new-[a-z0-9_]{8}")  # as tempfile names them
_KEPT_SECONDS = 30 * 86400.0
_SHAPES = 32  # prepared forms kept: without a limit, every new size of picture takes memory and never gives it back


class OpenVinoRuntime:
    """See `runtime.Runtime`. Several threads may run a network at once; while there are cores, none waits for another.

    Args:
        threads: CPU threads of one call, and of OpenCV; None for as many as there are cores.
        cache: The folder of converted networks; None keeps none.
    """

    name: RuntimeName = "openvino"
    device: Literal["cpu", "gpu"] = "cpu"

    def __init__(self, *, threads: int | None = None, cache: Path | None = None) -> None:
        """Load OpenVINO's CPU part."""
        there = cores()
        if (few := threads or scarce()) is not None:
            cv2.setNumThreads(few)
        self._core = _core()
        self._threads = threads or there
        self._streams = max(1, min(there // self._threads, _MOST_STREAMS))
        self._cache = cache
        self._writable = True

    def compile(self, network: Network, precision: Precision) -> Run:
        """See `Runtime.compile`."""
        settings = {
            "INFERENCE_PRECISION_HINT": _HINT[precision],
            "INFERENCE_NUM_THREADS": self._threads * self._streams,
            "NUM_STREAMS": self._streams,  # in one stream, calls of several threads wait for each other
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # the cores are shared with the readers
            "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES,
        }
        compiled = self._core.compile_model(self._model(network, precision), "CPU", settings)
        # A request holds one answer: shared, threads would read each other's. Each also keeps working memory, so there
        # are no more than there were calls at once; one for each thread would leave one with that which only loads.
        idle: deque[Any] = deque()

        def run(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
            try:
                request, is_new = idle.pop(), False
            except IndexError:
                request, is_new = compiled.create_infer_request(), True
            try:
                request.infer([np.ascontiguousarray(pixels)], share_inputs=True)
                # a copy: the next call writes to the same memory
                return np.array(request.get_output_tensor(0).data, np.float32)
            finally:
                idle.append(request)
                if is_new:
                    _forget_weights()

        return run

    def _model(self, network: Network, precision: Precision) -> Any:
        if self._cache is None:
            return network.describe(OpenVinoBuilder())
        folder = self._cache / f"{network.name}-{precision}-{_form(network)}"
        if _is_whole(folder):
            with contextlib.suppress(OSError):  # somebody else's, for reading only
                os.utime(folder)
        elif not self._keep(network, folder, precision):
            return network.describe(OpenVinoBuilder())
        # Read back also what was just written, so that the first start answers as all later ones. RuntimeError: it is
        # not there, or taken away in between by a process that found it damaged before.
        with contextlib.suppress(RuntimeError):
            return self._core.read_model(str(folder / _PARTS[0]))
        return network.describe(OpenVinoBuilder())

    def _keep(self, network: Network, folder: Path, precision: Precision) -> bool:
        """Convert a network and keep it; False where that cannot be, which is tried and said once."""
        if self._writable:
            try:
                with _writing(folder.parent):
                    _write(network.describe(OpenVinoBuilder()), folder, precision)
            except OSError as error:
                _log.warning("%s: converted networks cannot be kept there: %s", folder.parent, error.strerror or error)
                self._writable = False
        return self._writable


@functools.cache
def _core() -> Any:
    """The one of this process, never given up.

    On processors with AVX-512, OpenVINO gives the thread that first uses it an alternate stack for signals. It frees
    that memory with its last core, and nobody tells the thread: the next signal would end the process.
    """
    return ov.Core()


def _forget_weights() -> None:
    """Let go of the memory that holds the files of networks, which OpenVINO keeps mapped as long as they live.

    With its first picture each makes forms of its own of its weights, and does not look at the file again; what it
    does look at comes from the disk again. See madvise(2), MADV_DONTNEED.
    """
    try:
        maps = _MAPS.read_bytes().splitlines()
    except OSError:
        return  # only memory is at stake
    places = [line.split(maxsplit=1)[0] for line in maps if line.endswith(f"/{_PARTS[1]}".encode())]
    for start, end in ([int(side, 16) for side in place.split(b"-")] for place in places):
        _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _form(network: Network) -> str:
    """A hash of all that a converted network follows from."""
    sources = [inspect.getsource(module).encode() for module in _SOURCES]
    return hashlib.sha256(b"\0".join([*sources, ov.__version__.encode(), network.identity.encode()])).hexdigest()[:20]


def _is_whole(folder: Path) -> bool:
    try:
        note = json.loads((folder / _NOTE).read_text("utf-8"))
        return bool(note == {part: _hash(folder / part) for part in _PARTS})
    except (OSError, ValueError):
        return False


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _writing(cache: Path) -> Iterator[None]:
    """While something is written to the folder, which is made and tidied before."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _sweep(cache)
        with contextlib.suppress(OSError):  # others write; or the file system has no locks, and remains stay
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in cache.iterdir():
                if _OURS_NEW.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _write(model: Any, folder: Path, precision: Precision) -> None:
    """Write a network beside its place, then put it there in one step; what another process put there stays."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_NEW) as name:
        new = Path(name, "network")
        new.mkdir(mode=0o700)
        try:
            ov.save_model(model, str(new / _PARTS[0]), compress_to_fp16=precision == "bfloat16")
        except RuntimeError as error:  # what OpenVINO raises where the disk is full, say
            raise OSError(str(error).strip().partition("\n")[0] or "OpenVINO does not say why") from error
        note = json.dumps({part: _hash(new / part) for part in _PARTS})
        (new / _NOTE).write_text(note, "utf-8")
        for part in new.iterdir():
            part.chmod(0o600)  # OpenVINO leaves it to the umask
        if folder.exists() and not _is_whole(folder):
            folder.rename(Path(name, "old"))  # goes with the temporary folder
        try:
            new.rename(folder)
        except OSError:
            if not _is_whole(folder):
                raise


def _sweep(cache: Path) -> None:
    """Remove networks of versions that nobody starts any more, 60 MB each."""
    for path in cache.iterdir():
        with contextlib.suppress(OSError):
            if _OURS.fullmatch(path.name) and path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                shutil.rmtree(path)
