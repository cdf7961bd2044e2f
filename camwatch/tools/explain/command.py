"""`camwatch explain`: reads an event and its account out of the state directory, and says why."""

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TextIO

from camwatch.errors import InputError, StateError, one_line
from camwatch.publishing import history
from camwatch.publishing.accounts import file_of, read_account
from camwatch.publishing.events import payload
from camwatch.records import IGNORED, Account, Condition, Event, EventType
from camwatch.tools.explain.picture import check_suffix, write_picture
from camwatch.tools.explain.reasons import asked, changes, origin, searched, unused, verdict


def explain(
    event_id: str,
    state: Path,
    *,
    json_output: bool,
    picture: Path | None,
    faces: Path | None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
) -> int:
    """Say why an event said what it said; the daemon may be running.

    Args:
        event_id: Of the event, or the beginning of it.
        state: The daemon's state directory.
        json_output: One JSON object in place of the text.
        picture: Also draw the faces, and the nearest photos where `faces` is given, into this file (PNG or JPEG).
        faces: The gallery, for the nearest photos.
        results: Where the answer goes; stdout by default.
        notes: Where the rest goes; stderr by default.

    Returns:
        The exit status.

    Raises:
        InputError: There is no such event, or the picture cannot be written there.
        StateError: The state cannot be read, or the account of the event is damaged; the rest has been told then.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    if picture is not None:
        check_suffix(picture)
    event = history.find(state, event_id)
    account, damage = None, None
    try:
        account = read_account(file_of(state, event.visit_id, event.seq))
    except StateError as error:
        damage = error  # of the event all is known
    visit = history.of_visit(state, event.visit_id)
    if json_output:
        print(json.dumps(_document(event, account, visit), ensure_ascii=False), file=results)
    else:
        for line in _text(event, account, visit, damaged=damage is not None):
            print(one_line(line), file=results)
    if damage is not None:
        raise damage
    if picture is not None:
        if account is None:
            raise InputError(f"{event.event_id}: nothing is kept of its faces, so there is nothing to draw")
        write_picture(picture, event, account, faces)
        print(f"wrote {picture}", file=notes)
    return 0


def _text(event: Event, account: Account | None, visit: list[Event], *, damaged: bool) -> list[str]:
    lines = [
        f"event {event.event_id}, number {event.seq} of visit {event.visit_id}",
        f"{event.camera}, {_time(event.decided_at)}: {verdict(event)}",
        f"seen from {_time(event.first_seen)} to {_time(event.last_seen)};"
        f" faces used {event.faces_used} of {event.faces_seen}",
    ]
    lines += [
        f"decided by event {other.event_id} ({other.event_type})"
        for other in visit
        if event.event_type is EventType.ENDED and other.event_type is not EventType.ENDED
    ]
    if account is None:
        why = "it is damaged" if damaged else "it is gone, or was never kept"
        why = "the visit was ended by the next start" if event.reason == "restart" else why
        return [*lines, "", f"there is no account of it: {why}"]
    lines += ["", f"threshold {event.threshold:.2f}: {origin(event, account)}"]
    lines += _candidates(event, account)
    lines += ["", f"what a name asks for{_of(account)}", *map(_row, account.naming)]
    lines += ["what `unknown` asks for", *map(_row, account.unknown)]
    lines += ["", *_faces(account), f"not used: {unused(account)}"]
    if account.photos_near:
        lines += ["", "most similar photos"]
        lines += [f"  {near.score:6.2f}  {near.photo}" for near in account.photos_near]
    if event.event_type is EventType.ENDED and event.person is None and event.reason is None and account.certain:
        who = account.candidates[0].person
        lines += ["", f"somebody unknown turned out to be {who}: it went on as that visit"]
    would = changes(event, account)
    if would:
        lines += ["", "what would have changed the answer", *(f"  {one}" for one in would)]
    return lines


def _candidates(event: Event, account: Account) -> list[str]:
    if not account.people:
        return ["nobody is enrolled"]
    if not account.candidates and (event.person is not None or event.reason == IGNORED):
        return [f"{event.person or 'who was to be ignored'} is not enrolled any more"]
    if not account.candidates and not searched(account):
        return ["nobody was searched for: no face could be used"]
    if not account.candidates:
        names = f": {', '.join(account.taken)}" if account.taken else ""
        return [f"nobody was left to ask for: everybody enrolled was beside{names}"]
    first, *others = account.candidates
    lines = [f"most similar: {first.person} {first.score:.2f}"]
    if others:
        rival = others[0].score if account.rival else -1.0
        said = (f"{one.person} {one.score:.2f}{' (did not compete)' if one.score > rival else ''}" for one in others)
        lines.append("then " + ", ".join(said))
    if account.taken:
        lines.append(f"not asked for, since others beside had these names: {', '.join(account.taken)}")
    if account.against is not None:
        lines.append(f"a face that is denied to be {first.person}: {account.against:.2f}")
    return lines


def _of(account: Account) -> str:
    return f" ({account.candidates[0].person})" if account.candidates else ""


def _row(condition: Condition) -> str:
    there = "-" if condition.value is None else f"{condition.value:.3g}"
    needed = f"{'below' if condition.below else 'at least'} {condition.needed:.3g}"
    if condition.below and condition.name == "denied":
        needed = "at most 0"  # as like the person as like who is denied will do
    met = "-" if condition.value is None and condition.name == "score" else "yes" if condition.met else "no"
    return f"  {asked(condition):42}  {needed:>14}  {there:>6}  {met:>3}"


def _faces(account: Account) -> list[str]:
    if not account.faces:
        return ["no face was used"]
    first = [one.person for one in account.candidates[:2]]
    title = "  ".join(first)
    lines = ["faces it rests on, the best of their time", f"  time          pixels  sharp  turn  quality  {title}"]
    for face, scores in zip(account.faces, account.face_scores, strict=True):
        of = face.quality
        near = "  ".join(f"{score:{len(person)}.2f}" for person, score in zip(first, scores, strict=False))
        when = datetime.fromtimestamp(round(face.seen, 3)).strftime("%H:%M:%S.%f")[:12]  # rounded as in events
        lines.append(f"  {when:12}  {of.height:6.0f}  {of.sharpness:5.0f}  {of.turn:4.2f}  {of.score:7.2f}  {near}")
    return lines


def _time(seconds: float) -> str:
    """Local time, and which that is: events have UTC."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _document(event: Event, account: Account | None, visit: list[Event]) -> dict[str, object]:
    told = payload(event, node="", late=False, snapshot=None)
    said = {key: told[key] for key in told if key not in ("node", "late", "snapshot")}  # of these we do not know
    document: dict[str, object] = {"event": said, "says": verdict(event), "account": None}
    document["decided_by"] = [
        other.event_id
        for other in visit
        if event.event_type is EventType.ENDED and other.event_type is not EventType.ENDED
    ]
    if account is None:
        return document
    document["account"] = {
        "threshold_from": origin(event, account),
        "people": account.people,
        "photos": account.photos,
        "network": account.network,
        "candidates": [asdict(one) for one in account.candidates],
        "against": account.against,
        "taken": list(account.taken),
        "photos_near": [asdict(one) for one in account.photos_near],
        "naming": [_conditions(one) for one in account.naming],
        "unknown": [_conditions(one) for one in account.unknown],
        "unused": dict(account.unused),
        "faces": [
            {
                "seen": face.seen,
                **asdict(face.quality),
                "scores": list(scores),
            }
            for face, scores in zip(account.faces, account.face_scores, strict=True)
        ],
    }
    document["would_change"] = changes(event, account)
    return document


def _conditions(one: Condition) -> dict[str, object]:
    return {"name": one.name, "value": one.value, "needed": one.needed, "below": one.below, "met": one.met}
