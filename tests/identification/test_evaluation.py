"""The statistics of an evaluation, against figures that can be counted by hand or come from elsewhere."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

from camwatch.identification.evaluation import (
    Faces,
    alike,
    closed_set,
    odd_ones,
    open_set,
    share,
    verification,
)
from camwatch.identification.recognizer import threshold_for
from tests.identification.scene import like, person


def dataset(pictures: dict[int, int], *, cosine: float = 0.8, dimensions: int = 512) -> Faces:
    """Made-up people with so many pictures each, which are `cosine` like their person."""
    rows = [like(person(who), cosine, 100 * who + number) for who, count in pictures.items() for number in range(count)]
    people = np.repeat(np.arange(len(pictures)), list(pictures.values()))
    heights = np.tile([50.0, 120.0], len(rows))[: len(rows)]
    return Faces(np.stack(rows), np.stack(rows), people, tuple(f"p{who}" for who in pictures), heights, "test")


def test_verification_counts_every_pair_once_and_agrees_with_sklearn() -> None:
    faces = dataset({1: 6, 2: 5, 3: 1, 4: 30}, cosine=0.4)
    found = verification(faces, (0.1, 0.03, 1e-6), seed=1)
    scores, same = [], []
    for one, other in itertools.combinations(range(len(faces.people)), 2):
        scores.append(float(faces.embeddings[one] @ faces.embeddings[other]))
        same.append(bool(faces.people[one] == faces.people[other]))
    assert found.genuine.sum() == sum(same) == 15 + 10 + 435
    assert found.impostor.sum() == len(same) - sum(same)
    far, tar, _ = roc_curve(same, scores, drop_intermediate=False)
    for point in found.points:
        accepted = np.array(scores) >= point.threshold
        assert accepted[~np.array(same)].mean() <= point.far, "never above the rate"
        assert point.tar.value == pytest.approx(accepted[np.array(same)].mean())
        assert point.tar.value == pytest.approx(tar[far <= point.far].max(), abs=0.02)
        assert point.tar.low <= point.tar.value <= point.tar.high
    assert [point.far for point in found.points] == [0.1, 0.03]
    assert found.unsupported == (1e-6,)


def test_the_same_pictures_under_two_names_accept_nobody_rather_than_everybody() -> None:
    faces = dataset({1: 20, 2: 20, 3: 10})
    rows = faces.embeddings.copy()
    rows[:40] = rows[0]  # more impostor pairs at a cosine of 1 than either rate allows
    found = verification(Faces(rows, rows, faces.people, faces.names, faces.heights, "test"), (0.1, 0.02), seed=0)
    assert [(point.threshold > 1, point.tar.value) for point in found.points] == [(True, 0.0), (True, 0.0)]


def test_pictures_are_searched_for_as_a_camera_sees_them_and_enrolled_with_mirror_images() -> None:
    faces = dataset(dict.fromkeys(range(1, 7), 4), cosine=0.95)
    strange = dataset(dict.fromkeys(range(11, 17), 4), cosine=0.95).embeddings
    other = Faces(faces.embeddings, strange, faces.people, faces.names, faces.heights, "test")
    found = open_set(other, 3, 2, rate=0.01, galleries=5, seed=0)
    assert found is not None and found.found.value == 0.0
    assert verification(other, (0.1,), seed=0).points[0].tar.value == 1.0, "probes are like each other"


def test_intervals_come_from_people_not_from_pictures() -> None:
    """Ten people who are all right or all wrong: a thousand pictures of them are ten witnesses."""
    total = np.full(10, 100)
    right = np.where(np.arange(10) < 7, 100, 0)
    found = share(right, total, seed=3)
    pictures = binomtest(700, 1000).proportion_ci(method="exact")
    people = binomtest(7, 10).proportion_ci(method="exact")
    assert found.value == 0.7 and (found.count, found.total) == (700, 1000)
    assert found.high - found.low > 5 * (pictures.high - pictures.low)
    assert found.low == pytest.approx(people.low, abs=0.1) and found.high == pytest.approx(people.high, abs=0.1)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(200):
        own = rng.beta(8, 2, 40)  # people differ: the mean is 0.8
        right = rng.binomial(20, own)
        found = share(right, np.full(40, 20), seed=trial)
        covered += found.low <= 0.8 <= found.high
    assert 178 <= covered <= 199


def test_where_all_are_right_the_interval_is_not_nothing() -> None:
    found = share(np.full(20, 5), np.full(20, 5), seed=0)
    assert found.low == pytest.approx(binomtest(20, 20).proportion_ci(method="exact").low, abs=1e-3)
    assert found.high == 1.0
    none = share(np.zeros(20, np.int64), np.full(20, 5), seed=0)
    assert none.low == 0.0 and none.high == pytest.approx(1 - found.low)
    assert np.isnan(share(np.array([3]), np.array([5]), seed=0).low), "of one person nothing can be said"
    assert np.isnan(share(np.zeros(2, np.int64), np.zeros(2, np.int64), seed=0).value)


def test_the_same_seed_gives_the_same_figures_and_another_others() -> None:
    faces = dataset(dict.fromkeys(range(1, 9), 4), cosine=0.72)
    one, again, other = (open_set(faces, 3, 2, rate=0.01, galleries=20, seed=seed) for seed in (1, 1, 2))
    assert one is not None and again is not None and other is not None
    assert (one.found, one.named, one.best) == (again.found, again.named, again.best)
    assert np.array_equal(one.curve, again.curve) and not np.array_equal(one.curve, other.curve)


def test_who_is_enrolled_is_found_and_strangers_are_not_where_faces_are_good() -> None:
    faces = dataset(dict.fromkeys(range(1, 13), 6), cosine=0.9)
    found = open_set(faces, 5, 3, rate=0.01, galleries=30, seed=0)
    assert found is not None
    assert (found.found.value, found.named.value, found.wrong.value, found.best) == (1.0, 0.0, 0.0, 1.0)
    assert found.found.total == 30 * 5 * 3 and found.named.total == 30 * 7 * 6
    assert found.threshold == threshold_for(5, 0.01)
    assert [low for low, _ in found.by_height] == [40.0, 100.0]
    assert sum(part.total for _, part in found.by_height) == found.found.total
    limits, named, right = found.curve.T
    assert (np.diff(named) <= 0).all() and (np.diff(right) <= 0).all() and limits[0] < 0 < limits[-1]


def test_a_twin_who_is_not_enrolled_is_named_and_counted() -> None:
    faces = dataset(dict.fromkeys(range(1, 7), 4), cosine=0.95)
    twin = np.stack([like(person(1), 0.93, 900 + n) for n in range(4)])
    embeddings = faces.embeddings.copy()
    embeddings[faces.of(1)] = twin  # the second person looks like the first
    both = Faces(embeddings, embeddings, faces.people, faces.names, faces.heights, "test")
    found = open_set(both, 1, 2, rate=0.01, galleries=1000, seed=0)
    assert found is not None
    # One of the two is enrolled in a third of the galleries, and then 4 of the 20 strangers' pictures are the other's.
    assert found.named.value == pytest.approx(1 / 3 * 4 / 20, abs=0.01)
    assert alike(both, 1)[0].score > 0.9
    assert {alike(both, 1)[0].one, alike(both, 1)[0].other} == {"p1", "p2"}


@pytest.mark.parametrize(("people", "photos"), [(3, 4), (4, 1), (9, 1)])
def test_what_the_dataset_is_too_small_for_is_not_made_up(people: int, photos: int) -> None:
    assert open_set(dataset({1: 4, 2: 4, 3: 4, 4: 1}), people, photos, rate=0.01, galleries=5, seed=0) is None


def test_the_closed_set_counts_right_answers_and_lists_the_others() -> None:
    faces = dataset({1: 5, 2: 4, 3: 3}, cosine=0.9)
    wrong = faces.embeddings.copy()
    wrong[4] = like(person(2), 0.9, 77)  # the last picture of the first person shows the second
    mixed = Faces(wrong, wrong, faces.people, faces.names, faces.heights, "test")
    found, confusions = closed_set(mixed, lambda count: 2, seed=0)
    assert (found.count, found.total) == (3 + 2 + 1 - 1, 6)
    assert [(one.one, one.other) for one in confusions] == [("p1", "p2")]
    [(row, own, nearest), *rest] = odd_ones(mixed, 10)
    assert (row, nearest.one, nearest.other) == (4, "p1", "p2")
    assert own < 0.3 < 0.7 < nearest.score
    assert all(own > 0.5 for _, own, _ in rest)


@pytest.mark.parametrize("people", [20, 60, 200])
def test_one_false_alarm_never_promises_more_than_none(people: int) -> None:
    total = np.full(people, 1)
    highs = [share(np.arange(people) < count, total, seed=1).high for count in range(12)]
    assert highs == sorted(highs), "the more strangers were named, the higher the bound"
    exact = binomtest(1, people).proportion_ci(confidence_level=0.95, method="exact")
    found = share((np.arange(people) < 1).astype(np.int64), total, seed=1)
    assert found.high >= exact.high - 1e-9 and found.low <= exact.low + 1e-9


def test_the_upper_bound_of_rare_events_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    missed = sum(share(rng.binomial(1, 0.0175, 200), np.ones(200, np.int64), seed=0).high < 0.0175 for _ in range(300))
    assert missed <= 300 * 0.05


def test_galleries_of_everybody_have_no_strangers_and_are_not_measured() -> None:
    assert open_set(dataset({1: 4, 2: 4, 3: 4}), 3, 1, rate=0.01, galleries=5, seed=0) is None
    assert open_set(dataset({1: 4, 2: 4, 3: 4}), 2, 1, rate=0.01, galleries=5, seed=0) is not None


def test_the_best_threshold_lets_the_share_of_strangers_in_that_was_asked_for() -> None:
    faces = dataset(dict.fromkeys(range(1, 13), 6), cosine=0.35)
    found = open_set(faces, 5, 3, rate=0.05, galleries=30, seed=0)
    assert found is not None and found.found.value < found.best < 1.0
    _, named, right = found.curve.T
    at = int(np.argmax(named <= 0.05))
    assert right[at] == pytest.approx(found.best, abs=0.08) and right[0] < 1.0, "a wrong name is never found"
    assert found.best < right[int(np.argmax(named <= 0.5))]


def test_what_is_found_at_a_height_is_what_was_accepted() -> None:
    faces = dataset(dict.fromkeys(range(1, 13), 6), cosine=0.55)
    found = open_set(faces, 5, 1, rate=0.01, galleries=20, seed=0)
    assert found is not None and found.found.value < 1.0
    assert sum(part.count for _, part in found.by_height) == found.found.count


def test_who_is_nearer_to_another_is_wrong_only_where_a_name_was_given() -> None:
    faces_ = dataset(dict.fromkeys(range(1, 7), 4), cosine=0.95)
    embeddings = faces_.embeddings.copy()
    first, second = faces_.of(0), faces_.of(1)
    embeddings[first[0]] = like(person(2), 0.95, 700)  # a picture of the second person in the first one's folder
    embeddings[first[1]] = like(person(2), 0.25, 701)  # hardly like anybody, least unlike the second
    mixed = Faces(embeddings, embeddings, faces_.people, faces_.names, faces_.heights, "test")
    found = open_set(mixed, 5, 1, rate=0.01, galleries=200, seed=0)
    assert found is not None and second.size and 0 < found.wrong.count < found.found.total - found.found.count
    never = embeddings.copy()
    never[first[0]] = like(person(1), 0.95, 702)
    calm = Faces(never, never, faces_.people, faces_.names, faces_.heights, "test")
    again = open_set(calm, 5, 1, rate=0.01, galleries=200, seed=0)
    assert again is not None and again.wrong.count == 0 and again.found.count < again.found.total


def test_the_nearest_of_an_odd_picture_is_never_its_own_person() -> None:
    found = odd_ones(dataset({1: 4, 2: 4, 3: 4}, cosine=0.9), 12)
    assert len(found) == 12 and all(near.one != near.other for _, _, near in found)


def test_ten_accepted_pairs_support_a_rate() -> None:
    faces_ = dataset({1: 10, 2: 10})
    assert [point.far for point in verification(faces_, (0.1, 0.099), seed=0).points] == [0.1]
