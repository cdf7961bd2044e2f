"""Boxes: pure functions over `Box`."""

from camwatch.records import Box


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0..1; 0 for boxes without area."""
    width = min(a.x2, b.x2) - max(a.x1, b.x1)
    height = min(a.y2, b.y2) - max(a.y1, b.y1)
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return inter / (a.width * a.height + b.width * b.height - inter)


def center_distance(a: Box, b: Box) -> float:
    """Distance of the centres in units of the mean box height, so that it does not depend on the distance."""
    dx = (a.x1 + a.x2 - b.x1 - b.x2) / 2
    dy = (a.y1 + a.y2 - b.y1 - b.y2) / 2
    size = max((a.height + b.height) / 2, 1e-6)
    return float((dx * dx + dy * dy) ** 0.5 / size)


def grow(box: Box, share: float) -> Box:
    """The box enlarged by `share` of its width and height in all: half of it on each side."""
    dx, dy = box.width * share / 2, box.height * share / 2
    return Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy)


def clip(box: Box, width: int, height: int) -> Box:
    """The part of the box inside a picture of this size."""
    return Box(
        min(max(box.x1, 0.0), float(width)),
        min(max(box.y1, 0.0), float(height)),
        min(max(box.x2, 0.0), float(width)),
        min(max(box.y2, 0.0), float(height)),
    )


def fractions(box: Box, width: int, height: int) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of the visible part as fractions of the picture."""
    seen = clip(box, width, height)
    return seen.x1 / width, seen.y1 / height, seen.x2 / width, seen.y2 / height
