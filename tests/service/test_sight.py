"""When absence is believed: not while a camera is lost or frames are under way."""

import numpy as np
import pytest

from camwatch.records import Observation
from camwatch.service.sight import ADVANCE_DELAY, BLIND_LIMIT, Sight

UTC = 1_700_000_000.0


def observation(camera: str = "door", monotonic: float = 100.0) -> Observation:
    return Observation(camera, 1, UTC + monotonic, monotonic, 640, 360, ())


def test_time_passes_where_a_camera_sees_nobody():
    sight = Sight()
    assert list(sight.advance(100.0, seeing=["door"], under_way=[])) == [], "nothing is known of its clock yet"
    assert not sight.observed(observation())
    [(camera, excused, until)] = sight.advance(105.0, seeing=["door"], under_way=[])
    assert (camera, excused, until) == ("door", None, pytest.approx(UTC + 105 - ADVANCE_DELAY))
    assert list(sight.advance(105.0, seeing=["door"], under_way=["door"])) == []


def test_blindness_excuses_absence_once_and_not_for_ever():
    sight = Sight()
    sight.observed(observation())
    assert list(sight.advance(101.0, seeing=[], under_way=[])) == []
    assert list(sight.advance(101.0 + BLIND_LIMIT, seeing=[], under_way=[])) == []
    [(_, excused, _)] = sight.advance(102.0 + BLIND_LIMIT, seeing=[], under_way=[])
    assert excused is None
    [(_, excused, _)] = sight.advance(103.0 + BLIND_LIMIT, seeing=["door"], under_way=[])
    assert excused == pytest.approx(UTC + 103 + BLIND_LIMIT)
    [(_, excused, _)] = sight.advance(104.0 + BLIND_LIMIT, seeing=["door"], under_way=[])
    assert excused is None


def test_the_first_observation_after_it_says_so():
    sight = Sight()
    sight.lost("door", 50.0)
    assert sight.observed(observation())
    assert not sight.observed(observation(monotonic=101.0))
    sight.lost("door", 102.0)
    sight.forget("door")
    assert not sight.observed(observation(monotonic=103.0))
    sight.forget("never there")


def test_frames_of_the_scene_before_are_past():
    sight = Sight()
    sight.observed(observation(monotonic=100.0))
    sight.begin(["door"], 101.0)
    assert sight.is_past(observation(monotonic=100.9))
    assert not sight.is_past(observation(monotonic=101.1))
    assert not sight.is_past(observation("yard", monotonic=100.9))
    assert list(sight.advance(200.0, seeing=["door"], under_way=[])) == [], "of the new scene nothing is known yet"
    sight.forget("door")
    assert not sight.is_past(observation(monotonic=100.9))


def test_how_long_it_is_blind_counts_from_the_first_loss():
    sight = Sight()
    sight.observed(observation())
    for moment in np.arange(101.0, 101.0 + BLIND_LIMIT, 7.0):
        sight.lost("door", float(moment))
    assert list(sight.advance(102.0 + BLIND_LIMIT, seeing=[], under_way=[]))
