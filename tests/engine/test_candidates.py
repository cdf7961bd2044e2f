import numpy as np

from camwatch.engine.candidates import Candidates, around, lonely


def test_a_square_is_seen_from_all_sides_and_nearer() -> None:
    seen = around(np.array([[100, 200, 150, 250], [0, 0, 10, 10]], np.float32))

    assert seen.shape == (2, 18, 4)
    sides = seen[..., 2:] - seen[..., :2]
    np.testing.assert_allclose(sides[0, :9], 50, rtol=1e-5)
    np.testing.assert_allclose(sides[0, 9:], 42.5, rtol=1e-5)
    np.testing.assert_allclose(seen[0, 4], [100, 200, 150, 250])  # as it was
    centres = (seen[0, :, :2] + seen[0, :, 2:]) / 2
    np.testing.assert_allclose(centres.mean(0), [125, 225], rtol=1e-5)
    assert len({(round(float(x), 1), round(float(y), 1)) for x, y in centres}) == 9
    np.testing.assert_allclose(np.ptp(centres, 0), 8, rtol=1e-5)
    assert around(np.zeros((0, 4), np.float32)).shape == (0, 18, 4)


def test_lonely_is_what_touches_no_sure_one_of_its_picture() -> None:
    sure, beside, touching, elsewhere, low = (
        [0, 0, 10, 10],
        [10, 0, 20, 10],
        [9, 9, 20, 20],
        [0, 0, 10, 10],
        [12, 2, 22, 12],
    )
    boxes = np.array([sure, beside, touching, elsewhere, low], np.float32)
    scores = np.array([0.9, 0.85, 0.85, 0.85, 0.81], np.float32)
    found = lonely(Candidates(boxes, scores, np.array([0, 0, 0, 1, 0])), 0.9)

    assert found.tolist() == [1, 3, 4]  # that others in doubt are touched does not matter
    assert lonely(Candidates(boxes[:1], scores[:1], np.array([0])), 0.9).tolist() == []
