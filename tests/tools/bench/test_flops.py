"""The counted arithmetic of MTCNN, against figures counted by hand."""

import pytest

from camwatch.tools.bench.flops import crop_flops, pnet_flops


@pytest.mark.weights
def test_networks_on_crops() -> None:
    rnet, onet = crop_flops()
    # layer by layer: 28@22, 48@9, 64@3 and dense layers; 32@46, 64@21, 64@8, 128@3 and dense layers
    assert rnet == 2 * (27 * 28 * 22**2 + 252 * 48 * 9**2 + 4 * 48 * 64 * 3**2 + 576 * 128 + 128 * 6)
    assert onet == 2 * (
        27 * 32 * 46**2 + 288 * 64 * 21**2 + 576 * 64 * 8**2 + 4 * 64 * 128 * 3**2 + 1152 * 256 + 256 * 16
    )


@pytest.mark.weights
def test_proposals_grow_with_the_picture() -> None:
    # one level of exactly one window: 10@10, pooled to 5, 16@3, 32@1, heads
    assert pnet_flops(40, 40, 40) == 2 * (270 * 100 + 1440 * 9 + 4608 + 32 * 6)
    assert pnet_flops(1280, 720, 40) == pytest.approx(4 * pnet_flops(640, 360, 40), rel=0.2)
