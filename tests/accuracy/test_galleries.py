"""The benchmark itself, on made-up people."""

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.records import Embedding
from tests.accuracy import openset, promised
from tests.accuracy.faces import FRAMES, Faces, Seen
from tests.accuracy.galleries import KINDS, Kind, Photos, draw, probes
from tests.accuracy.groups import groups
from tests.accuracy.kept import answers, kept, true_share
from tests.accuracy.rules import FITTED, RULES, camwatch, compreface, frigate
from tests.accuracy.twins import pairs
from tests.identification.scene import like, person

MANY, ALL = 8, 38


def seen(embeddings: NDArray[np.float32], *, blur: float = 500.0) -> Seen:
    same = np.ones(embeddings.shape[:2])
    return Seen(embeddings, 100 * same, 100 * same, 0 * same, 5000 * same, blur * same)


def made_up(who: list[Embedding]) -> Faces:
    """Eight people with six stills, all of .9 to the person's own direction, and thirty with one."""
    people = [number for number in range(MANY) for _ in range(6)] + list(range(MANY, ALL))
    photos = [[like(who[number], 0.9, 100 * seed + side) for side in (0, 1)] for seed, number in enumerate(people)]
    poor = [[like(who[number], 0.7, 100 * seed + 10 + n) for n in range(FRAMES)] for seed, number in enumerate(people)]
    embeddings, frames = np.array(photos, np.float32), np.array(poor, np.float32)
    names = tuple(map(str, range(ALL)))
    return Faces(embeddings, np.array(people), names, MANY, seen(embeddings[:, :1]), seen(frames), "made up")


@pytest.fixture(scope="module")
def faces() -> Faces:
    return made_up([person(number) for number in range(ALL)])


@pytest.mark.parametrize(("people", "photos", "own", "strangers"), [(1, 1, 5, 37), (3, 5, 3, 35), (10, 3, 12, 28)])
def test_who_is_searched_for(faces: Faces, people: int, photos: int, own: int, strangers: int) -> None:
    trial = draw(faces, people, photos, seed=1)
    assert (len(trial.own), trial.strangers) == (own, strangers)
    best, scores = camwatch(trial.photos, probes(faces, trial, "still"))
    assert np.array_equal(best[:own], trial.own)
    assert scores[:own].min() > 0.7 and scores[own:].max() < 0.5  # no enrolled photo among the strangers


def test_a_picture_that_was_enrolled_is_not_searched_for(faces: Faces) -> None:
    trial = draw(faces, 4, 1, seed=2)
    assert camwatch(trial.photos, probes(faces, trial, "still"))[1].max() < 0.99


def test_another_seed_is_another_gallery_and_the_same_one_the_same(faces: Faces) -> None:
    one, again, other = (draw(faces, 3, 3, seed).rows.tolist() for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(("kind", "frames"), [("still", 1), ("frame", 1), ("visit", FRAMES), ("mixed", FRAMES)])
def test_what_is_searched_with(faces: Faces, kind: Kind, frames: int) -> None:
    trial = draw(faces, 3, 3, seed=1)
    embeddings = probes(faces, trial, kind).embeddings
    assert embeddings.shape[:2] == (len(trial.rows), frames)
    rows = {row.tobytes(): still for still, cells in enumerate(faces.frames.embeddings) for row in cells}
    used = [{rows[one.tobytes()] for one in cells} for cells in embeddings] if kind != "still" else []
    enrolled = {row.tobytes() for row in trial.photos.embeddings[:, 0]}
    for stills, row, whose in zip(used, trial.rows, trial.person, strict=False):
        assert {faces.people[still] for still in stills} == {whose}
        assert not any(faces.photos[still, 0].tobytes() in enrolled for still in stills)
        several = kind == "mixed" and whose < MANY
        assert len(stills) > 1 if several else stills == {row}


def test_frames_are_pooled_as_a_visit_is(faces: Faces) -> None:
    [mean] = seen(faces.frames.embeddings[:1]).pooled
    total = faces.frames.embeddings[0].sum(axis=0)
    assert np.allclose(mean, total / np.linalg.norm(total), atol=1e-6)


def test_many_probes_at_once_are_searched_for_as_the_product_does(faces: Faces) -> None:
    trial = draw(faces, 5, 3, seed=3)
    given = probes(faces, trial, "visit")
    rule, (best, scores) = trial.photos.recognizer(0.01), camwatch(trial.photos, given)
    for mean, who, score in zip(given.pooled, best, scores, strict=True):
        found = rule.identify(mean).best
        assert found is not None and (int(found.person), found.score) == (who, pytest.approx(score, abs=1e-5))
    said = answers(trial.photos, given, 0.01)
    assert [-1 if (one := rule.identify(mean).person) is None else int(one) for mean in given.pooled] == said.tolist()


def test_a_promise_takes_the_worst_share_and_the_worst_spread_of_all_kinds(
    faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kind names more strangers everywhere, the other many in some galleries and nobody in the rest."""
    named = {"still": [3, 3, 3, 3], "visit": [0, 0, 0, 8], "mixed": [1, 1, 1, 1]}
    counts = {kind: iter(each) for kind, each in named.items()}

    def said(_photos: Photos, asked: tuple[str, int], _rate: float) -> NDArray[np.int64]:
        few = next(counts[asked[0]])
        return np.array([-1] * asked[1] + [0] * few + [-1] * (30 - few))  # the enrolled come first

    monkeypatch.setattr(promised, "probes", lambda _faces, trial, kind: (kind, len(trial.own)))
    monkeypatch.setattr(promised, "answers", said)
    share, most = promised.measured(faces, 3, 3, 0.01, galleries=4)
    assert share == pytest.approx(0.1)
    assert most == promised.spread(np.array(named["visit"]), np.full(4, 30)) > 0.2


@pytest.mark.parametrize("name", [*RULES, "logistic"])
def test_every_rule_knows_who_is_enrolled(faces: Faces, name: str) -> None:
    trial = draw(faces, 4, 3, seed=1)
    best, scores = (RULES | FITTED)[name](trial.photos, probes(faces, trial, "still"))
    known = len(trial.own)
    assert np.array_equal(best[:known], trial.own)
    assert scores[:known].min() > scores[known:].max()


def gallery(*who: Embedding) -> Photos:
    return Photos(np.array([[one, one] for one in who]), np.arange(len(who)), "made up")


def test_the_confidence_of_frigate() -> None:
    """Half at a cosine of .5, 1 / (1 + e^-4) at .7; a blurred face has less."""
    photos = gallery(person(1), person(2))
    at = {cosine: np.array([[like(person(1), cosine, 5)]], np.float32) for cosine in (0.5, 0.7)}
    assert frigate(photos, seen(at[0.5]))[1] == pytest.approx(0.5, abs=1e-3)
    assert frigate(photos, seen(at[0.7]))[1] == pytest.approx(0.982, abs=1e-3)
    assert frigate(photos, seen(at[0.7], blur=90.0))[1] == pytest.approx(0.952, abs=1e-3)


def test_the_frames_of_frigate_vote() -> None:
    photos = gallery(person(1), person(2))
    one, other = like(person(1), 0.7, 5), like(person(2), 0.8, 6)
    best, score = frigate(photos, seen(np.array([[one, one, other], [one, one, one]])), unknown=0.8)
    assert best.tolist() == [0, 0] and score.tolist() == pytest.approx([0.98, 0.98])
    assert frigate(photos, seen(np.array([[one, other]])), unknown=0.8)[1].tolist() == [0.0]  # as many for each
    poor = like(person(1), 0.55, 7)
    assert frigate(photos, seen(np.array([[poor, poor, poor]])), unknown=0.8)[1].tolist() == [0.0]


def test_the_similarity_of_compreface() -> None:
    """Half at a distance of 1.18, which is a cosine of .302."""
    probe = np.array([[like(person(1), 1 - 1.1817961**2 / 2, 5)]], np.float32)
    assert compreface(gallery(person(1)), seen(probe))[1] == pytest.approx(0.5, abs=1e-3)


def test_found_at_the_threshold_that_names_so_many() -> None:
    strangers = np.arange(100) / 100
    own = np.array([0.5, 0.975, 0.985, 0.995, -np.inf])
    scores = openset.Scores(own, np.zeros(5, int), strangers, np.arange(1, 101))
    assert np.sum(strangers > openset.threshold(strangers, 0.02)) == 2
    assert openset.found(scores, 0.02) == pytest.approx(0.6)
    assert openset.found(scores, 0.001) == pytest.approx(0.2)  # nobody of a hundred
    assert openset.at(scores, 0.98) == pytest.approx((0.4, 0.02))


def test_people_are_drawn_and_not_their_pictures() -> None:
    """One person of two is always found, the other never: pictures without number do not make that surer."""
    own = np.repeat([1.0, 0.0], 500)
    scores = openset.Scores(own, np.repeat([0, 1], 500), np.full(50, 0.5), np.arange(2, 52))
    assert openset.interval(scores, 0.01) == (0.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_perfect_faces_are_all_found(faces: Faces, kind: Kind) -> None:
    trials = [draw(faces, 4, 3, seed) for seed in range(3)]
    [scores] = openset.score(faces, trials, {"camwatch": camwatch}, kind).values()
    assert openset.found(scores, 0.001) == 1.0
    said = kept(faces, trials, kind, (0.05, 0.01))
    assert all((one.named, one.counted, one.true, one.found, one.misnamed) == (0, 1, 1, 1, 0) for one in said.values())


def test_a_stricter_rate_names_fewer() -> None:
    """Strangers who all lean towards one another are named by chance; a lower rate asks for more."""
    common = person(99)
    faces = made_up([like(common, 0.75, number) for number in range(ALL)])
    trials = [draw(faces, 4, 3, seed) for seed in range(5)]
    said = kept(faces, trials, "still", (0.1, 0.001))
    assert said[0.1].named > said[0.001].named + 0.2
    assert said[0.1].counted < 0.1 and said[0.1].true < 0.1


def test_the_share_of_galleries_that_keep_their_rate_is_told_without_the_luck_of_few_strangers() -> None:
    rng = np.random.default_rng(0)
    strangers = np.full(4000, 200)
    same = rng.binomial(200, 0.008, 4000)
    assert np.mean(same <= 2) < 0.85 and true_share(same, strangers, 0.01) > 0.98
    rates = rng.beta(2, 398, 4000)  # .005 on average
    assert true_share(rng.binomial(200, rates), strangers, 0.01) == pytest.approx(np.mean(rates <= 0.01), abs=0.03)


def test_look_alikes_are_found_and_told() -> None:
    who = [person(number) for number in range(ALL)]
    who[3] = like(who[MANY + 2], 0.9, 7)
    first, second = pairs(made_up(who), 2, 0.01)
    assert first.stills == (6, 1) and first.told and first.alike > 0.8 > second.alike
    searched, right, wrong = first.both
    assert searched == 4 and right + wrong <= 4 and wrong == 0
    assert first.one == (4, 4)
    assert second.one[1] == 0


def test_groups_of_faces_are_counted(faces: Faces) -> None:
    told = groups(faces, [draw(faces, 4, 3, 1)], 0.01)
    assert {(one.by, one.low, one.high) for one in told} == {
        ("height", 64, None),
        ("sharpness", 60, 150),
        ("turn", 0, 0.1),
    }
    assert all((one.probes, one.strangers, one.named, one.misnamed) == (12 * FRAMES, 34 * FRAMES, 0, 0) for one in told)
