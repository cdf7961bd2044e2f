"""Why an event said what it said: true, complete, and in words."""

import io
import json
import stat
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from camwatch.errors import InputError, StateError
from camwatch.identification.decision import Rule
from camwatch.identification.evidence import KEPT_FACES
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visits import VisitTracker
from camwatch.publishing.accounts import file_of
from camwatch.records import Condition, Enrolled, Event, EventType, Observation
from camwatch.tools.explain.command import _row, explain
from camwatch.tools.explain.reasons import _more_faces, _up
from tests.identification.scene import GOOD, START, enrolled, like, person, play, recognizer, stay, together, whole
from tests.publishing.events import leave

ANN, BOB, EVE = person(1), person(2), person(3)
CHIP = np.full((160, 160, 3), 90, np.uint8)


def watched(state: Path, observations: Sequence[Observation], *, faces: bool = True, **how: Any) -> list[Event]:
    """What a daemon leaves in its state folder; the events that it told."""
    known: Recognizer = how.pop("known", None) or recognizer(Ann=ANN, Bob=BOB)
    events = whole(VisitTracker("door", known, node="nvr", **how), observations)
    leave(state, events, faces=faces)
    return events


def of(events: Sequence[Event], kind: EventType) -> Event:
    return next(event for event in events if event.event_type is kind)


def said(state: Path, event: Event, **how: Any) -> str:
    results = io.StringIO()
    options = {"json_output": False, "picture": None, "faces": None} | how
    assert explain(event.event_id, state, results=results, notes=io.StringIO(), **options) == 0
    return results.getvalue()


def document(state: Path, event: Event) -> dict[str, Any]:
    return json.loads(said(state, event, json_output=True))


def test_a_name_is_explained_by_what_it_asks_for(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(ANN, chip=CHIP)), EventType.RECOGNIZED)
    text = said(tmp_path, event)
    assert "this is Ann" in text and f"threshold {event.threshold:.2f}: false_alarm_rate 0.01 with 2 people" in text
    assert "Ann/1.jpg" in text and "then Bob" in text
    found = document(tmp_path, event)
    account = found["account"]
    assert found["event"]["score"] == pytest.approx(account["candidates"][0]["score"], abs=1e-4)
    assert found["event"]["runner_up"]["person"] == account["candidates"][1]["person"] == "Bob"
    assert all(one["met"] for one in account["naming"])
    assert len(account["faces"]) == found["event"]["faces_used"]
    assert {one["scores"][0] > 0.8 and len(one["scores"]) == 2 for one in account["faces"]} == {True}
    [by_score, by_lead] = found["would_change"]
    assert "no name" in by_score and by_lead.startswith("Bob more similar by")


@pytest.mark.parametrize(("times", "named"), [(1 / 1.5, False), (1.5, True)])
def test_the_rate_that_would_have_changed_it_does_change_it(tmp_path: Path, times: float, named: bool) -> None:
    seen = stay(like(ANN, 0.62, 3), cosine=0.97, seconds=0.4)
    event = of(watched(tmp_path, seen), EventType.RECOGNIZED)
    rate = float(document(tmp_path, event)["would_change"][0].split("false_alarm_rate ")[1].split(")")[0])
    assert rate < 0.01
    strict = recognizer(Ann=ANN, Bob=BOB, false_alarm_rate=rate * times)
    kinds = {one.event_type for one in watched(tmp_path / "again", seen, known=strict)}
    assert (EventType.RECOGNIZED in kinds) == named


def test_a_stranger_is_explained_by_who_was_nearest(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(like(BOB, 0.3, 5), seconds=4.0)), EventType.UNKNOWN)
    text = said(tmp_path, event)
    assert "this is nobody enrolled" in text and "most similar: Bob" in text
    conditions = {one["name"]: one["met"] for one in document(tmp_path, event)["account"]["naming"]}
    assert conditions == {"faces": True, "seconds": True, "score": False, "lead": True, "denied": True}
    assert "a similarity higher, or a threshold lower by" in text


def test_a_visit_that_was_never_decided_says_what_was_missing(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(ANN, seconds=0.2)), EventType.ENDED)
    assert event.reason == "too_short"
    would = document(tmp_path, event)["would_change"]
    assert would[0].startswith("1 more usable faces and ") and would[0].endswith(": Ann"), "one alone would not do"
    assert not any("`unknown`" in one for one in would), "she is far too much like Ann"
    small = tmp_path / "small"
    tiny = of(watched(small, stay(ANN, height=25.0)), EventType.ENDED)
    text = said(small, tiny)
    assert "never decided: too_small" in text and "a face that can be used: too small 11" in text


def test_between_two_who_look_alike_the_lead_is_missing(tmp_path: Path) -> None:
    twin = like(ANN, 0.97, 4)
    both = recognizer(Ann=ANN, Twin=twin)
    event = of(watched(tmp_path, stay(like(ANN, 0.99, 9), seconds=3.0), known=both), EventType.ENDED)
    assert event.reason == "ambiguous"
    assert any("less similar by" in one for one in document(tmp_path, event)["would_change"])


def test_the_end_points_to_the_decision(tmp_path: Path) -> None:
    events = watched(tmp_path, stay(ANN))
    ended, named = of(events, EventType.ENDED), of(events, EventType.RECOGNIZED)
    assert f"decided by event {named.event_id} (recognized)" in said(tmp_path, ended)
    assert document(tmp_path, ended)["decided_by"] == [named.event_id]
    assert document(tmp_path, ended)["would_change"] == []


def test_a_name_that_somebody_beside_has_is_told_of(tmp_path: Path) -> None:
    pair = together(stay(ANN, seconds=3.0, x=150.0), stay(like(ANN, 0.6, 7), seconds=3.0, x=450.0, cosine=0.99))
    events = watched(tmp_path, pair)
    other = next(one for one in events if one.event_type is not EventType.RECOGNIZED and one.person is None)
    found = document(tmp_path, other)
    assert found["account"]["taken"] == ["Ann"] and found["account"]["candidates"][0]["person"] == "Bob"


def test_a_threshold_of_the_users_own_is_called_so(tmp_path: Path) -> None:
    event = of(watched(tmp_path / "camera", stay(ANN), threshold=0.4), EventType.RECOGNIZED)
    assert "threshold 0.40: cameras.door.threshold, set in the configuration" in said(tmp_path / "camera", event)
    own = recognizer(Ann=ANN, threshold=0.45)
    event = of(watched(tmp_path / "all", stay(ANN), known=own), EventType.RECOGNIZED)
    assert "threshold 0.45: recognition.threshold, set in the configuration" in said(tmp_path / "all", event)


def test_of_a_long_visit_faces_of_all_its_length_are_kept(tmp_path: Path) -> None:
    events = watched(tmp_path, stay(ANN, seconds=20.0), known=recognizer(Bob=BOB))
    account = of(events, EventType.ENDED).account
    assert account is not None and len(account.faces) == KEPT_FACES
    times = [one.seen - START for one in account.faces]
    assert times == sorted(times) and times[0] < 4 and times[-1] > 16
    assert max(later - earlier for earlier, later in pairwise(times)) < 6


def test_the_picture_shows_faces_and_photos_and_is_private(tmp_path: Path) -> None:
    gallery = tmp_path / "faces"
    (gallery / "Ann").mkdir(parents=True)
    cv2.imwrite(str(gallery / "Ann" / "1.jpg"), np.full((300, 200, 3), (0, 0, 255), np.uint8))
    event = of(watched(tmp_path, stay(ANN, chip=np.full((160, 160, 3), (0, 255, 0), np.uint8))), EventType.RECOGNIZED)
    said(tmp_path, event, picture=tmp_path / "why.png", faces=gallery)
    assert stat.S_IMODE((tmp_path / "why.png").stat().st_mode) == 0o600
    drawn = cv2.imread(str(tmp_path / "why.png"))
    green = (np.abs(drawn.astype(int) - (0, 255, 0)).max(axis=2) < 12).sum()
    red = (np.abs(drawn.astype(int) - (0, 0, 255)).max(axis=2) < 12).sum()
    assert green > 3 * 150 * 150 and red > 100 * 150
    with pytest.raises(InputError, match=r"why\.gif: a picture is written as \.png"):
        said(tmp_path, event, picture=tmp_path / "why.gif")


def test_photos_outside_the_gallery_are_not_shown(tmp_path: Path) -> None:
    """A damaged or forged account must not make us read other files."""
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "1.jpg"), np.full((300, 200, 3), (0, 0, 255), np.uint8))
    known = recognizer(**{"..": ANN})  # its photo is "../1.jpg"
    event = of(watched(tmp_path / "state", stay(ANN), known=known), EventType.RECOGNIZED)
    said(tmp_path / "state", event, picture=tmp_path / "why.png", faces=tmp_path / "faces")
    drawn = cv2.imread(str(tmp_path / "why.png"))
    assert not (np.abs(drawn.astype(int) - (0, 0, 255)).max(axis=2) < 12).any()


def test_without_an_account_what_the_event_says_is_still_told(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(ANN)), EventType.RECOGNIZED)
    for path in (tmp_path / "accounts").iterdir():
        path.unlink()
    text = said(tmp_path, event)
    assert "this is Ann" in text and "there is no account of it" in text
    assert document(tmp_path, event)["account"] is None
    with pytest.raises(InputError, match="nothing to draw"):
        said(tmp_path, event, picture=tmp_path / "why.png")


def test_where_the_account_is_damaged_the_event_is_still_told(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(ANN)), EventType.RECOGNIZED)
    account = file_of(tmp_path, event.visit_id, event.seq)
    account.write_bytes(account.read_bytes()[:300])
    results = io.StringIO()
    with pytest.raises(StateError, match="damaged"):
        explain(event.event_id, tmp_path, json_output=False, picture=None, faces=None, results=results)
    assert "this is Ann" in results.getvalue() and "no account of it: it is damaged" in results.getvalue()
    with pytest.raises(InputError, match="a picture is written as"):
        explain(event.event_id, tmp_path, json_output=False, picture=Path("w.gif"), faces=None, results=results)


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    known = recognizer(**{"A\x1b[31mn\nn": ANN})
    event = of(watched(tmp_path, stay(ANN), known=known), EventType.RECOGNIZED)
    text = said(tmp_path, event)
    assert "\x1b" not in text and "A\\x1b[31mn\\nn" in text


def test_a_stranger_who_was_there_too_shortly_needs_all_that_is_missing(tmp_path: Path) -> None:
    event = of(watched(tmp_path, stay(person(77), seconds=0.4)), EventType.ENDED)
    would = document(tmp_path, event)["would_change"]
    [unknown] = [one for one in would if one.endswith(": `unknown`")]
    assert "good faces 5 in place of" in unknown and " and seconds" in unknown
    conditions = {(one["name"], one["met"]) for one in document(tmp_path, event)["account"]["unknown"]}
    assert conditions == {("good_faces", False), ("seconds", False), ("score", True)}


def test_as_many_more_faces_as_are_told_do_give_the_name(tmp_path: Path) -> None:
    def visit(usable: int) -> list[Observation]:
        return [*stay(ANN, seconds=6.0, turn=0.9), *stay(ANN, begin=6.2, seconds=(usable - 1) * 0.2)]

    few = watched(tmp_path / "few", visit(3))
    event = of(few, EventType.ENDED)
    more = int(document(tmp_path / "few", event)["would_change"][0].split()[0])
    used = event.faces_used
    assert more > 1
    for usable, named in ((used + more - 1, False), (used + more, True)):
        seen = watched(tmp_path / f"{usable}", visit(usable))
        last = next(one for one in seen if one.event_type is EventType.ENDED)
        assert (last.person == "Ann", last.faces_used >= usable) == (named, True), usable


def test_where_everybody_enrolled_is_beside_nobody_is_left_to_ask_for(tmp_path: Path) -> None:
    pair = together(stay(ANN, seconds=3.0, x=150.0), stay(person(78), seconds=3.0, x=450.0))
    events = watched(tmp_path, pair, known=recognizer(Ann=ANN))
    other = next(one for one in events if one.event_type is EventType.UNKNOWN)
    text = said(tmp_path, other)
    assert "nobody was left to ask for: everybody enrolled was beside: Ann" in text
    assert "no face could be used" not in text and document(tmp_path, other)["would_change"] == []


def test_of_somebody_to_be_ignored_there_is_no_name_in_any_account(tmp_path: Path) -> None:
    known = recognizer(ignored={"Bob", "Eve"}, Ann=ANN, Bob=BOB, Eve=EVE)
    pair = together(stay(ANN, seconds=3.0, x=150.0), stay(BOB, seconds=3.0, x=450.0))
    events = watched(tmp_path, pair, known=known)
    assert {one.person for one in events} == {"Ann", None}
    for one in events:
        account = document(tmp_path, one)["account"]
        assert all(len(face["scores"]) == len(account["candidates"]) for face in account["faces"])
        assert one.reason is None or document(tmp_path, one)["would_change"] == []
    told = "".join(said(tmp_path, one) for one in events) + json.dumps([document(tmp_path, one) for one in events])
    assert "Bob" not in told and "somebody to be ignored" in told
    assert "the visit of somebody to be ignored ended" in told
    assert not any(b"Bob" in path.read_bytes() for path in (tmp_path / "accounts").iterdir())


def test_with_a_denied_face_the_runner_up_is_who_could_have_been_named(tmp_path: Path) -> None:
    carl = person(9)
    people = enrolled(Ann=ANN, Bob=like(ANN, 0.7, 5), Carl=carl)
    denied = Enrolled("Bob", "Bob/not/1.jpg", "x", like(ANN, 0.99, 6)[None], GOOD, True)
    known = Recognizer(Gallery([*people, denied], "test"))
    event = of(watched(tmp_path, stay(ANN), known=known), EventType.RECOGNIZED)
    assert event.person == "Ann" and event.runner_up is not None and event.runner_up.person == "Carl"
    found = document(tmp_path, event)
    assert [one["person"] for one in found["account"]["candidates"]] == ["Ann", "Carl", "Bob"]
    lead = next(one["value"] for one in found["account"]["naming"] if one["name"] == "lead")
    first, second, _ = (one["score"] for one in found["account"]["candidates"])
    assert lead == pytest.approx(first - second, abs=1e-6)
    text = said(tmp_path, event)
    assert "(did not compete)" in text and any(one.startswith("Carl more similar") for one in found["would_change"])


def test_the_visit_of_two_that_is_hers_does_not_say_that_she_was_not_asked_for(tmp_path: Path) -> None:
    wrong = stay(like(ANN, 0.62, 8), seconds=3.0, x=450.0, cosine=0.99)
    pair = together(wrong, stay(ANN, begin=1.6, seconds=2.0, x=150.0))
    events = watched(tmp_path, pair, known=recognizer(Ann=ANN, Bob=BOB))
    named = [one for one in events if one.person == "Ann"]
    assert named
    for one in named:
        assert "Ann" not in document(tmp_path, one)["account"]["taken"]


def test_who_is_no_longer_enrolled_is_not_named_by_those_who_stood_beside(tmp_path: Path) -> None:
    tracker = VisitTracker("door", recognizer(Ann=ANN, Bob=BOB), node="nvr")
    pair = together(stay(ANN, seconds=3.0, x=150.0), stay(BOB, seconds=3.0, x=450.0))
    assert {one.person for one in play(tracker, pair)} == {"Ann", "Bob"}
    tracker.replace_recognizer(recognizer(Bob=BOB))
    gone = tracker.forget("Ann", START + 3.1)
    assert [one.person for one in gone] == ["Ann"]
    play(tracker, stay(BOB, begin=3.2, seconds=2.0, x=450.0))
    [ended] = tracker.flush(START + 9.0)
    assert ended.account is not None and ended.account.taken == ()


def test_somebody_unknown_who_turns_out_to_be_known_is_told_so(tmp_path: Path) -> None:
    first = stay(ANN, seconds=2.0, x=100.0)
    far = stay(like(ANN, 0.36, 8), begin=2.6, seconds=2.2, x=500.0, cosine=0.99)
    near = stay(like(ANN, 0.75, 8), begin=5.0, seconds=5.0, x=500.0, cosine=0.99)
    events = watched(tmp_path, [*first, *far, *near], visit_gap=5.0)
    joined = [one for one in events if one.event_type is EventType.ENDED and one.person is None]
    for one in joined:
        if one.account is not None and one.account.certain:
            assert "somebody unknown turned out to be Ann: it went on as that visit" in said(tmp_path, one)
            return
    pytest.fail(f"no visit was joined: {[(one.event_type, one.person) for one in events]}")


@pytest.mark.parametrize("odd", ["\udcff\udcfe\udcff\udcff\udcff\udcff", "", "ab", "ABCDEF", "%%%%%%"])
def test_an_id_that_is_none_is_one_line(tmp_path: Path, odd: str) -> None:
    watched(tmp_path, stay(ANN))
    with pytest.raises(InputError, match="no such event") as raised:
        explain(odd, tmp_path, json_output=False, picture=None, faces=None)
    assert ("characters or more" in str(raised.value)) == (len(odd) < 6)


def test_what_was_decided_at_the_end_is_explained_by_what_was_asked_there(tmp_path: Path) -> None:
    known = recognizer(Ann=ANN, Bob=BOB)
    limit = known.limit().threshold
    near = like(ANN, limit + 0.005, 4)
    far = like(ANN, limit - 0.04, 4)
    for name, who, kind in (("named", near, EventType.RECOGNIZED), ("not", far, EventType.UNKNOWN)):
        events = watched(tmp_path / name, stay(who, seconds=1.0, cosine=1.0), known=known)
        event = of(events, kind)
        account = document(tmp_path / name, event)["account"]
        table = account["naming"] if kind is EventType.RECOGNIZED else account["unknown"]
        assert all(one["met"] for one in table), table
        assert "by 0.00" not in said(tmp_path / name, event)


def test_more_faces_are_counted_as_the_rule_counts_them() -> None:
    rule = Rule()
    for used, poor in ((5, 100), (8, 60), (2, 13), (4, 30), (0, 0), (9, 400)):
        more = _more_faces(used, poor)
        assert used + more >= rule.faces_needed(used + more, poor)
        assert more == 1 or used + more - 1 < rule.faces_needed(used + more - 1, poor)


def test_where_nobody_competes_it_is_said(tmp_path: Path) -> None:
    people = enrolled(Ann=ANN, Bob=like(ANN, 0.7, 5))
    denied = Enrolled("Bob", "Bob/not/1.jpg", "x", like(ANN, 0.99, 6)[None], GOOD, True)
    event = of(watched(tmp_path, stay(ANN), known=Recognizer(Gallery([*people, denied], "test"))), EventType.RECOGNIZED)
    assert event.runner_up is None and "(did not compete)" in said(tmp_path, event)


def test_the_end_of_somebody_who_is_not_enrolled_any_more_is_no_talk_of_others(tmp_path: Path) -> None:
    tracker = VisitTracker("door", recognizer(Ann=ANN, Bob=BOB), node="nvr")
    play(tracker, stay(ANN))
    tracker.replace_recognizer(recognizer(Bob=BOB))
    [ended] = tracker.flush(START + 9.0)
    leave(tmp_path, [ended])
    text = said(tmp_path, ended)
    assert "Ann is not enrolled any more" in text and "most similar: Bob" not in text


@pytest.mark.parametrize("cosine", [0.60, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66, 0.68, 0.70])
def test_at_the_very_rate_that_is_told_there_is_no_name(tmp_path: Path, cosine: float) -> None:
    seen = stay(like(ANN, cosine, 3), cosine=0.97, seconds=0.4)
    event = of(watched(tmp_path / "first", seen), EventType.RECOGNIZED)
    rate = float(document(tmp_path / "first", event)["would_change"][0].split("false_alarm_rate ")[1].split(")")[0])
    strict = recognizer(Ann=ANN, Bob=BOB, false_alarm_rate=rate)
    assert EventType.RECOGNIZED not in {one.event_type for one in watched(tmp_path / "again", seen, known=strict)}


def test_of_the_end_of_a_strangers_visit_nothing_is_to_be_changed(tmp_path: Path) -> None:
    ended = of(watched(tmp_path, stay(like(BOB, 0.3, 5), seconds=4.0)), EventType.ENDED)
    assert ended.reason is None and document(tmp_path, ended)["would_change"] == []


def test_of_who_is_to_be_ignored_it_is_not_said_that_the_visit_went_on(tmp_path: Path) -> None:
    known = recognizer(ignored={"Bob"}, Ann=ANN, Bob=BOB)
    ended = of(watched(tmp_path, stay(BOB, seconds=4.0), known=known), EventType.ENDED)
    assert "turned out to be" not in said(tmp_path, ended)


def test_what_is_told_to_be_enough_is_never_nothing() -> None:
    assert [_up(one) for one in (0.001, 0.012, 0.02)] == [0.01, 0.02, 0.02]


def test_no_rate_is_told_where_the_threshold_is_the_users_own(tmp_path: Path) -> None:
    seen = stay(like(ANN, 0.62, 3), cosine=0.97, seconds=3.0)
    event = of(watched(tmp_path, seen, threshold=0.5), EventType.RECOGNIZED)
    assert not any("false_alarm_rate" in one for one in document(tmp_path, event)["would_change"])


def test_as_like_as_who_is_denied_is_called_enough() -> None:
    said = _row(Condition("denied", 0.0, 1e-6, below=True)).split()
    assert said[-5:] == ["at", "most", "0", "0", "yes"]
