"""The inference process as main sees it: how it is started and when it counts as hung."""

from collections.abc import Mapping
from pathlib import Path

from camwatch.service.cameras import Cameras
from camwatch.service.ring import SLOT_BYTES
from camwatch.service.supervisor import Child

SILENCE = 15.0
"""Seconds without a word: the largest batch takes less, also on one slow core."""
START_SILENCE = 180.0
"""Seconds for importing TensorFlow and loading the networks from a cold disk."""


def inference_child(
    cameras: Cameras,
    *,
    min_face: Mapping[str, int],
    device: str,
    runtime: str,
    precision: str,
    cache: Path,
    max_batch: int,
    max_wait: float,
    facenet_weights: Path | None,
    gpu_memory: int | None,
    threads: int | None,
) -> Child:
    """The child that analyses the frames of these cameras.

    Args:
        cameras: Whose rings it reads.
        min_face: Smallest face in pixels, for each camera.
        device: `auto`, `cpu` or `gpu`.
        runtime: `auto` or a runtime's name.
        precision: `auto`, `float32` or `bfloat16`.
        cache: Folder for converted networks and measurements.
        max_batch: Frames analysed at once, at most.
        max_wait: Seconds that a frame waits for others.
        facenet_weights: A frozen graph in place of the packaged one.
        gpu_memory: MiB, at most.
        threads: CPU threads of the networks.
    """
    job = {
        "process": "inference",
        "log_format": cameras.log_format,
        "max_batch": max_batch,
        "max_wait": max_wait,
        "device": device,
        "runtime": runtime,
        "precision": precision,
        "cache": str(cache),
        "threads": threads,
        "gpu_memory": gpu_memory,
        "facenet_weights": str(facenet_weights) if facenet_weights else None,
        "min_face": dict(min_face),
        "lossless": cameras.recordings,
        "rings": cameras.ring_fds,
        "bell_fd": cameras.bell_fd,
        "slot_bytes": SLOT_BYTES,
    }
    return Child(
        name="inference",
        module="camwatch.service.inference_main",
        job=lambda: job,
        fds=(*cameras.ring_fds.values(), cameras.bell_fd),
        silence=SILENCE,
        start_silence=START_SILENCE,
    )
