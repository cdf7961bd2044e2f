"""How much the networks of MTCNN compute: floating-point operations, a multiplication and an addition being two."""

from collections.abc import Sequence
from typing import Any

from camwatch.engine.pyramid import scales
from camwatch.engine.weights import mtcnn_weights


def pnet_flops(width: int, height: int, min_face: int) -> float:
    """Floating-point operations of P-Net over all levels of one picture, without the packing of the canvas."""
    kernels = [array for array in mtcnn_weights().pnet if array.ndim == 4]
    total = 0.0
    for scale in scales(width, height, min_face):
        w, h = int(width * scale), int(height * scale)
        for number, kernel in enumerate(kernels):
            if number < 3:
                w, h = w - 2, h - 2
            total += 2.0 * kernel.size * w * h
            if number == 0:
                w, h = -(-w // 2), -(-h // 2)
    return total


def crop_flops() -> tuple[float, float]:
    """Floating-point operations of R-Net and O-Net on one crop."""
    weights = mtcnn_weights()
    rnet = _crop_flops(weights.rnet, 24, ((3, True), (3, False)))
    return rnet, _crop_flops(weights.onet, 48, ((3, True), (3, False), (2, True)))


def _crop_flops(arrays: Sequence[Any], side: int, pools: Sequence[tuple[int, bool]]) -> float:
    """Convolutions without padding, each but the last followed by pooling by 2 (padded or not); then dense layers."""
    total, number = 0.0, 0
    for array in arrays:
        if array.ndim == 4:
            side -= array.shape[0] - 1
            total += 2.0 * array.size * side * side
            if number < len(pools):
                window, padded = pools[number]
                side = -(-side // 2) if padded else (side - window) // 2 + 1
            number += 1
        elif array.ndim == 2:
            total += 2.0 * array.size
    return total
