"""Answers that the self-test of the networks takes for right."""

import numpy as np
from numpy.typing import NDArray

from camwatch.engine import selftest

SIZES = {"pnet": 15 * 15 * 5, "rnet": 5, "onet": 15, "facenet": 512}


def right_answers(network: str) -> NDArray[np.float32]:
    """Rows of which the self-test makes the known numbers; unit rows for FaceNet."""
    size = SIZES[network]
    seen = selftest._summary(np.eye(size, dtype=np.float32))
    rows = np.array(selftest.KNOWN[network]) @ np.linalg.pinv(seen)
    if network == "facenet":
        unseen = np.random.default_rng(0).normal(0, 1, rows.shape)
        unseen -= unseen @ seen @ np.linalg.pinv(seen)
        missing = np.sqrt(1 - np.square(rows).sum(1, keepdims=True))
        rows = rows + unseen / np.linalg.norm(unseen, axis=1, keepdims=True) * missing
    return rows.astype(np.float32)
