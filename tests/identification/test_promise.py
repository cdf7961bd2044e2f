"""What can be promised of strangers: never more than was measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from camwatch.engine.weights import FACENET_NETWORK
from camwatch.identification import promise as module
from camwatch.identification.gallery import Gallery
from camwatch.identification.promise import STRANGERS, promise, promised, rate_for
from camwatch.identification.recognizer import Recognizer, visit_threshold_for
from camwatch.records import Enrolled
from tests.identification.scene import GOOD, enrolled, person


def asked(rate: float, people: int = 10, photos: int = 3) -> module.Promise:
    found = promise(people, photos, asked=rate, threshold=visit_threshold_for(people, rate))
    assert found is not None
    return found


@given(st.integers(1, 3000), st.integers(1, 50), st.floats(0.0001, 0.1))
def test_more_is_never_promised_than_two_hundred_strangers_can_tell(people: int, photos: int, rate: float) -> None:
    found = asked(rate, people, photos)
    assert 0 <= found.expected <= found.most < 1
    seen = int(found.expected * STRANGERS)
    exact = binomtest(seen, STRANGERS).proportion_ci(confidence_level=0.95, method="wilson").high
    assert found.most >= exact - 1e-6
    assert found.most >= binomtest(0, STRANGERS).proportion_ci(confidence_level=0.95, method="wilson").high - 1e-9


@given(st.integers(1, 200), st.floats(0.00011, 0.099))
def test_a_threshold_of_ones_own_is_as_good_as_the_rate_that_has_it(people: int, rate: float) -> None:
    limit = visit_threshold_for(people, rate)
    own = promise(people, 3, asked=None, threshold=limit)
    back = rate_for(people, limit)
    if limit >= 0.9 or limit <= 0.36:  # the highest and the lowest there is: several rates have it
        return
    assert back == pytest.approx(rate, rel=1e-3)
    assert own is not None and own.expected == pytest.approx(asked(rate, people).expected, rel=1e-2)


def test_stricter_rates_promise_less_and_sizes_between_lie_between() -> None:
    shares = [asked(rate).expected for rate in (0.1, 0.05, 0.02, 0.01, 0.004, 0.001, 0.0003)]
    assert shares == sorted(shares, reverse=True)
    three, five, ten = (asked(0.01, people).expected for people in (3, 5, 10))
    assert min(three, ten) <= five <= max(three, ten)
    three = asked(0.05, 10, 3)
    assert asked(0.05, 10, 4) == module.Promise(0.05, three.expected, three.spread, three.most, 10, 4)


def test_what_cannot_be_promised_is_said() -> None:
    assert "nothing below 0.1 % was measured, 0.01 % is a setting and no promise" in asked(0.0001).sentence
    strict = asked(0.001)
    assert strict.most > 0.001 and ": " in strict.sentence
    loose = asked(0.1, 1)
    assert loose.most <= 0.1 and loose.sentence.endswith("%"), "nothing to add"


@pytest.mark.parametrize("photos", [1, 3, 5])
@pytest.mark.parametrize("rate", [0.05, 0.01, 0.003, 0.001])
def test_the_words_are_those_of_the_figures(rate: float, photos: int) -> None:
    said = set()
    for people in (1, 2, 3, 6, 10, 20, 30, 60, 100, 200):
        found = asked(rate, people, photos)
        assert found.expected <= found.spread <= found.most
        if "kept on average only" in found.sentence:
            assert float(f"{found.expected:.2g}") <= rate < found.spread, "as it is told, rounded"
            assert ("three or more photos" in found.sentence) == (photos == 1)
        elif "more than the" in found.sentence:
            assert float(f"{found.expected:.2g}") > rate
        elif "were measured, who tell no more" in found.sentence:
            assert found.spread <= rate < found.most
        else:
            assert found.most <= rate
        said.add(found.sentence.partition(": ")[2].partition(" ")[0])
    assert said <= {"", "galleries", "more", "200"} and (rate > 0.001 or len(said) > 1)


def test_the_words_follow_the_threshold() -> None:
    gallery = Gallery(enrolled(Ann=person(1), Bob=person(2)), FACENET_NETWORK)
    assert gallery.fewest_photos == 1
    assert promised(Recognizer(gallery)).startswith("; of strangers about ")
    assert promised(Recognizer(gallery, threshold=0.55)).startswith("; of strangers about ")
    loose = promised(Recognizer(gallery, threshold=0.3))
    there = promise(2, 1, asked=0.1, threshold=visit_threshold_for(2, 0.1))
    assert there is not None
    few = f"{100 * there.expected:.2g} %"
    assert loose == f"; below 0.38, where about {few} of strangers are expected to get a name, nothing was measured"
    strict = promised(Recognizer(gallery, threshold=0.95))
    assert strict == "; above 0.75 nothing was measured"
    assert promised(Recognizer(Gallery([], FACENET_NETWORK))) == promised(Recognizer(Gallery([], "test"))) == ""


def test_of_another_network_nothing_is_promised() -> None:
    said = promised(Recognizer(Gallery(enrolled(Ann=person(1)), "arcface-12ab")))
    assert said == "; nothing was measured with the network arcface-12ab"


def test_the_person_with_fewest_photos_counts() -> None:
    more = [Enrolled("Ann", f"Ann/{n}.jpg", f"{n}", person(1)[None], GOOD) for n in range(4)]
    negative = Enrolled("Ann", "Ann/not/1.jpg", "x", person(9)[None], GOOD, True)
    assert Gallery([*more, negative, *enrolled(Bob=person(2))], "test").fewest_photos == 1
    assert Gallery([*more, negative], "test").fewest_photos == 4
    assert Gallery([negative], "test").fewest_photos == 0


def test_every_figure_is_a_share_that_grows_with_the_rate() -> None:
    table = module._MEASURED
    assert {photos for _, photos in table} == {1, 3, 5} and {rate for rate, _ in table} == {0.05, 0.01, 0.001}
    for photos in (1, 3, 5):
        rows = np.array([table[rate, photos] for rate in (0.001, 0.01, 0.05)])
        assert rows.shape == (3, 5, 2) and (rows >= 0).all() and (rows < 0.2).all()
        assert (np.diff(rows[:, :, 0], axis=0) >= 0).all() and (rows[:, :, 1] >= rows[:, :, 0]).all()


def test_at_most_is_the_bound_of_what_galleries_differ_by() -> None:
    said = promise(1, 5, asked=0.05, threshold=visit_threshold_for(1, 0.05))
    assert said is not None and (said.expected, said.spread) == (0.0207, 0.0384)
    z, n, bound = 1.96, STRANGERS, 0.0384  # Wilson's upper end
    high = (bound + z * z / (2 * n) + z * (bound * (1 - bound) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    assert said.most == pytest.approx(high)


@pytest.mark.parametrize(("rate", "expected"), [(0.1, 2 * 0.0378), (0.0001, 0.0031 / 10)])
def test_beyond_the_rates_that_were_measured_it_is_in_proportion(rate: float, expected: float) -> None:
    said = promise(10, 5, asked=rate, threshold=visit_threshold_for(10, rate))
    assert said is not None and said.expected == pytest.approx(expected)
