"""camwatch as a contestant, with the real networks on few small pictures."""

from typing import Any

import numpy as np
import pytest

from camwatch.tools.bench.ours import Camwatch
from camwatch.tools.bench.work import Unable

SMALL = {"size": "320x180", "frames": 8}

pytestmark = pytest.mark.weights


@pytest.fixture
def camwatch(analyzer: Any, footage: Any) -> Camwatch:
    footage.path("multi_face.jpg")
    return Camwatch(analyzer, ())


def test_batches_find_what_single_pictures_show(camwatch: Camwatch) -> None:
    one, many = (camwatch.prepare({"kind": "detect", "min_face": 20, "batch": batch} | SMALL) for batch in (1, 3))
    found = one.run()
    assert (one.units, len(found)) == (8, 8) and sum(map(len, found)) >= 8
    for alone, together in zip(found, many.run(), strict=True):
        assert np.allclose(alone, together, atol=0.05)
    boxes = np.concatenate([np.reshape(faces, (-1, 5)) for faces in found])
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] <= 320).all() and (boxes[:, 3] <= 180).all()


def test_embeddings_are_of_the_boxes_asked_for(camwatch: Camwatch) -> None:
    found = camwatch.prepare({"kind": "detect", "min_face": 20, "batch": 8} | SMALL).run()
    boxes = [(number, *face[:4]) for number, faces in enumerate(found) for face in faces][:3]
    prepared = camwatch.prepare({"kind": "embed", "boxes": [boxes[0], *boxes], "batch": 2} | SMALL)
    rows = np.array(prepared.run())
    assert (prepared.units, rows.shape) == (4, (4, 512))
    assert rows[0] @ rows[1] == pytest.approx(1, abs=0.01) and rows[0] @ rows[2] < 0.9


def test_no_boxes_no_embeddings(camwatch: Camwatch) -> None:
    with pytest.raises(Unable, match="no face"):
        camwatch.prepare({"kind": "embed", "boxes": [], "batch": 2} | SMALL)


@pytest.mark.parametrize("faces", [0, 5, 16])
def test_a_wall_shows_as_many_faces_as_asked_for(camwatch: Camwatch, faces: int) -> None:
    task = {"kind": "crowd", "size": "640x360", "faces": faces, "batch": 1, "min_face": 40}
    assert camwatch.prepare(task).run() == {"faces": faces}


def test_nothing_of_a_crowd_is_known_from_before(analyzer: Any, camwatch: Camwatch) -> None:
    spared = analyzer._stillness.spared
    crowd = camwatch.prepare({"kind": "crowd", "size": "640x360", "faces": 0, "batch": 3, "min_face": 40})
    crowd.run()
    crowd.run()
    assert crowd.units == 3
    assert analyzer._stillness.spared == spared


def test_the_profile_is_of_the_engine_and_for_one_frame(camwatch: Camwatch) -> None:
    rows = camwatch.prepare({"kind": "profile", "min_face": 20, "batch": 8} | SMALL).run()
    assert all(row["function"].startswith("engine/") for row in rows)
    times = [row["whole_ms"] for row in rows]
    assert times == sorted(times, reverse=True) and times[0] > 0
    [paint] = [row for row in rows if row["function"] == "engine/pyramid.paint"]
    assert paint["calls"] == 1


def test_what_it_does_not_do(camwatch: Camwatch) -> None:
    with pytest.raises(Unable, match="does not do rates"):
        camwatch.prepare({"kind": "rates"})
