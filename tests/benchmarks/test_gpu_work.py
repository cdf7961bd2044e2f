"""How much the networks compute is counted the same in two ways, and as it was counted from the packaged graph."""

import pytest

from benchmarks.gpu_work import Counting, facenet_flops
from camwatch.engine import networks
from camwatch.engine.weights import mtcnn_weights
from camwatch.tools.bench.flops import crop_flops

pytestmark = pytest.mark.weights


def test_facenet_is_2_835_gflop_for_a_face() -> None:
    assert facenet_flops() == pytest.approx(2.835e9, rel=1e-3)


def test_crops_are_counted_as_the_benchmark_of_the_floor_counts_them() -> None:
    rnet, onet = Counting(), Counting()
    assert networks.rnet(rnet, mtcnn_weights().rnet) == (5,)
    assert networks.onet(onet, mtcnn_weights().onet) == (15,)
    # that one counts both logits of the published networks; here there is their difference
    rnet_head, onet_head = (2.0 * arrays[-2].shape[0] for arrays in (mtcnn_weights().rnet, mtcnn_weights().onet))
    assert (rnet.flops + rnet_head, onet.flops + onet_head) == pytest.approx(crop_flops())
