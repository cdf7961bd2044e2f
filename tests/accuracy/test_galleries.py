"""The benchmark itself, on made-up people."""

import numpy as np
import pytest

from tests.accuracy.galleries import Faces, draw, found_rows, kept_rows
from tests.identification.scene import like, person


@pytest.fixture(scope="module")
def faces() -> Faces:
    """Eight people with six pictures, all of .9 to the person's own direction, and thirty with one."""
    people = [number for number in range(8) for _ in range(6)] + list(range(8, 38))
    rows = [[like(person(number), 0.9, 100 * seed + side) for side in (0, 1)] for seed, number in enumerate(people)]
    return Faces(np.array(rows, np.float32), np.array(people), 8, "made up")


@pytest.mark.parametrize(("people", "photos", "probes", "strangers"), [(1, 1, 5, 37), (3, 5, 3, 35), (10, 3, 12, 28)])
def test_who_is_searched_for(faces: Faces, people: int, photos: int, probes: int, strangers: int) -> None:
    trial = draw(faces, people, photos, seed=1)
    assert (len(trial.own), len(trial.strangers)) == (probes, strangers)
    assert trial.own.min() > 0.7 and trial.strangers.max() < 0.5  # no enrolled photo among the strangers


def test_a_picture_that_was_enrolled_is_not_searched_for(faces: Faces) -> None:
    assert draw(faces, 4, 1, seed=2).own.max() < 0.99


def test_another_seed_is_another_gallery_and_the_same_one_the_same(faces: Faces) -> None:
    one, again, other = (draw(faces, 3, 3, seed).own for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def test_a_stricter_rate_is_a_higher_threshold(faces: Faces) -> None:
    assert draw(faces, 3, 3, 1, rate=0.001).threshold > draw(faces, 3, 3, 1, rate=0.05).threshold


def test_the_tables_tell_of_perfect_faces(faces: Faces) -> None:
    assert all(row.endswith("| 100.0 (100.0) |") for row in found_rows(faces, 2))
    assert all(row.endswith("| 0.00 | 100 | 100.0 |") for row in kept_rows(faces, 2, 0.01))
