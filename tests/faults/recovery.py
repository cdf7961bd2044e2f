"""Whether all is well again after a fault."""

import zipfile
from collections.abc import Iterable

from tests.faults.fault import Fault, Figures, Injected
from tests.faults.world import World

SETTLED = 3
"""Frames that a camera must have brought since the cause went away."""
IN_THE_WAY = {
    "camera": {"inference"},
    "server": {"inference"},
    "gallery": {"inference"},
    "broker": {"state"},
    "state": {"broker"},
}
"""Targets that another one needs to recover: a recovery is counted from when the last of these causes went away."""


def hidden(fault: Fault, where: str, world: World) -> frozenset[str]:
    """The cameras that cannot be seen through a fault."""
    if fault.target in ("all", "inference"):
        return frozenset(world.cameras)
    return frozenset(camera.name for camera in world.cameras.values() if where in (camera.name, camera.server))


def is_well(one: Injected, figures: Figures, others: Iterable[Injected], world: World) -> bool:
    """Whether a fault whose cause went away is over.

    Args:
        one: The fault.
        figures: The daemon's metrics now; empty where it does not answer.
        others: The other faults in effect: what they hide is not asked for.
        world: All of it.
    """
    if not figures or one.mended is None or not one.cure.proof():
        return False
    target = one.fault.target
    if target == "broker":
        return _delivers(one.mended, figures, world)
    if target == "state":
        return figures.get("camwatch_outbox_events") == 0
    if target == "gallery":
        photos = len(list(world.faces.glob("*/*.png")))
        return figures.get("camwatch_gallery_photos") == photos and zipfile.is_zipfile(world.faces / ".embeddings.npz")
    if target == "config":
        return world.daemon.get("/healthz")[0] == 200
    obscured = {camera for other in others if _excuses(other, target) for camera in other.cameras}
    seen = [camera for camera in one.cameras if camera not in obscured]
    brings = bool(seen) and all(_brings(one, figures, camera) for camera in seen)
    if target != "all":
        return brings
    there = all(world.told(f"camera/{camera}/availability") == "online" for camera in world.cameras)
    return brings and there and _delivers(one.mended, figures, world)


def _excuses(other: Injected, target: str) -> bool:
    """Whether what another fault hides is not asked for: its cause is there still, or it is not ours to wait for."""
    return other.mended is None or (target == "inference" and other.fault.target in ("camera", "server"))


def _delivers(since: float, figures: Figures, world: World) -> bool:
    """The broker has answered since, nothing waits, and who listens knows that we are there."""
    connected = figures.get("camwatch_mqtt_connected") == 1 and figures.get("camwatch_outbox_events") == 0
    return connected and world.proxy.answered_at > since and world.told("status") == "online"


def _brings(one: Injected, figures: Figures, camera: str) -> bool:
    if figures.get(f'camwatch_camera_up{{camera="{camera}"}}') != 1:
        return False
    before, now = _looked_at(one.mended_figures, camera), _looked_at(figures, camera)
    return now >= (before if now >= before else 0) + SETTLED


def _looked_at(figures: Figures, camera: str) -> float:
    """Frames of a camera that came through: analysed, or nothing moved in them."""
    return sum(
        figures.get(f'camwatch_frames_total{{camera="{camera}",outcome="{outcome}"}}', 0.0)
        for outcome in ("analyzed", "idle")
    )
