"""What a decision asks for, and which faces count: at the edges."""

import pytest

from camwatch.identification.decision import Rule
from camwatch.identification.evidence import KEPT_FACES, Evidence, Fault, Gates
from camwatch.records import Candidate, Detection, Identification, Quality
from tests.identification.scene import START, box, face, frame, like, person

ALICE = person(1)


def test_ten_usable_faces_are_enough_however_many_are_poor() -> None:
    assert Rule().faces_needed(10, 1000) == 10
    assert Rule().faces_needed(3, 22) == 5


def test_as_like_the_person_as_like_who_is_denied_is_unknown() -> None:
    evidence = Evidence(0.0, 9.0)
    found = Identification(None, Candidate("Ann", 0.8), None, 0.5, 0.8)
    *_, unlike = Rule().for_unknown(evidence, found)
    assert unlike.name == "denied" and unlike.met


@pytest.mark.parametrize(("strong", "unknown"), [(5, 0.45), (10, 0.4954), (16, 0.55), (40, 0.55)])
def test_the_more_good_faces_the_nearer_a_stranger_may_be(strong: int, unknown: float) -> None:
    found = Identification(None, Candidate("Ann", 0.5), None, 0.55, None)
    evidence = Evidence(0.0, 0.0)
    evidence.strong = strong
    *_, unlike = Rule().for_unknown(evidence, found)
    assert unlike.needed == pytest.approx(unknown, abs=1e-3)


@pytest.mark.parametrize(("seen", "wrong", "reason"), [(4, 2, "blurred"), (5, 2, "too_short"), (0, 0, "too_short")])
def test_half_of_the_faces_make_the_reason(seen: int, wrong: int, reason: str) -> None:
    evidence = Evidence(0.0, 0.0)
    evidence.seen = seen
    evidence.faults[Fault.BLURRED] = wrong
    assert Rule().undecided(evidence, None) == reason


def test_the_gates_at_their_edges() -> None:
    def fault(
        height: float = 40.0, turn: float = 0.49, sharpness: float = 6.0, confidence: float = 0.9
    ) -> Fault | None:
        detection = Detection(box(), ((0.0, 0.0),) * 5, confidence)
        return Gates().poor(detection, Quality(height, sharpness, turn, 0.5))

    assert fault() is None
    assert fault(height=39.9) is Fault.TOO_SMALL
    assert fault(turn=0.5) is Fault.TURNED_AWAY
    assert fault(sharpness=5.9) is fault(confidence=0.89) is Fault.BLURRED


def test_of_faces_equally_far_in_time_the_poorest_is_not_kept() -> None:
    evidence = Evidence(START, START)
    for number in range(KEPT_FACES + 1):
        score = 0.2 if number == 4 else 0.9
        seen = frame(float(number), face(like(ALICE, 0.9, number), score=score))
        evidence.add(seen.faces[0], seen, seen.captured_at, Gates())
    assert [one.seen - START for one in evidence.kept] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_of_two_the_later_one_vouches_and_rough_looks_are_joined() -> None:
    early, late = Evidence(0.0, 5.0, last_sure=5.0, vouched=3), Evidence(0.0, 9.0, last_sure=9.0, vouched=7)
    early.rough.add(ALICE)
    late.merge(early)
    assert late.vouched == 7 and late.looks is not None and late.looks @ ALICE == pytest.approx(1.0)
    again = Evidence(0.0, 5.0, last_sure=5.0, vouched=3)
    again.merge(late)
    assert again.vouched == 7
