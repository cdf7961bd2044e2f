"""What a decision hung on, and what would have changed it: from an event and its account, in words. Pure."""

import math
from collections.abc import Iterator

from camwatch.identification.promise import rate_for
from camwatch.records import Account, Condition, Event, EventType

_ASKED = {
    "faces": "usable faces",
    "seconds": "seconds between the first and the last",
    "score": "similarity",
    "lead": "lead over the next person",
    "denied": "lead over a face denied to be the person's",
    "good_faces": "good faces",
}


def asked(condition: Condition) -> str:
    """What a condition asks for, in words."""
    return _ASKED.get(condition.name, condition.name)


def verdict(event: Event) -> str:
    """What the event said, in words."""
    if event.event_type is EventType.RECOGNIZED:
        return f"this is {event.person}"
    if event.event_type is EventType.UNKNOWN:
        return "this is nobody enrolled"
    if event.person is not None:
        return f"the visit of {event.person} ended"
    return f"the visit ended, never decided: {event.reason}" if event.reason else "the visit of somebody unknown ended"


def origin(event: Event, account: Account) -> str:
    """Where the threshold came from, in words."""
    if account.threshold_from == "rate":
        people = "1 person" if account.people == 1 else f"{account.people} people"
        said = f"false_alarm_rate {event.false_alarm_rate:g} with {people} enrolled"
    else:
        where = "recognition" if account.threshold_from == "recognition" else f"cameras.{event.camera}"
        said = f"{where}.threshold, set in the configuration"
    return said


def changes(event: Event, account: Account) -> list[str]:
    """What would have changed the answer, one sentence each, the likeliest first."""
    if event.event_type is EventType.RECOGNIZED:
        return list(_against_the_name(event, account))
    if event.event_type is EventType.ENDED and (event.person is not None or event.reason is None):
        return []
    return list(_for_a_name(event, account))


def _against_the_name(event: Event, account: Account) -> Iterator[str]:
    needed = {condition.name: condition for condition in account.naming}
    score = needed.get("score")
    if score is not None and score.value is not None:
        margin = score.value - score.needed
        rate = _as_rate(event, account, margin)
        yield f"a similarity lower by {margin:.2f}, or a threshold higher by as much{rate}: no name"
    lead = needed.get("lead")
    if lead is not None and lead.value is not None and len(account.candidates) > 1:
        other = account.candidates[1].person
        yield f"{other} more similar by {lead.value - lead.needed:.2f}: no name, for it could have been either"
    denied = needed.get("denied")
    if denied is not None and denied.value is not None:
        yield f"a face that is denied to be {event.person} more similar by {denied.value - denied.needed:.2f}: no name"


def _for_a_name(event: Event, account: Account) -> Iterator[str]:
    if not account.people:
        yield "somebody enrolled: the gallery was empty"
        return
    if not account.candidates:
        yield f"a face that can be used: {unused(account)}"
        return
    best = account.candidates[0].person
    for condition in account.naming:
        if condition.met or condition.value is None:
            continue
        short = condition.needed - condition.value
        if condition.name == "score":
            lower = f"a threshold lower by {short:.2f}{_as_rate(event, account, -short)}"
            yield f"{lower}, or a similarity higher by as much: {best}; more photos of {best}, if it was, may do that"
        elif condition.name == "faces":
            yield f"{math.ceil(short)} more usable faces: enough for a name"
        elif condition.name == "seconds":
            yield f"{short:.2f} s more of them: enough for a name"
        elif condition.name == "lead" and len(account.candidates) > 1:
            yield f"{account.candidates[1].person} less similar by {short:.2f}: {best}"
        else:
            yield f"without the faces that are denied to be {best}: {best}"
    if event.event_type is EventType.ENDED:
        lacking = [one for one in account.unknown if not one.met and one.value is not None and not one.below]
        for condition in lacking:
            yield f"{asked(condition)} {condition.needed:g} in place of {condition.value:.3g}: enough for `unknown`"


def unused(account: Account) -> str:
    """How many faces could not be used and why, in words."""
    said = ", ".join(f"{cause.replace('_', ' ')} {count}" for cause, count in account.unused)
    return said or "no face was left out"


def _as_rate(event: Event, account: Account, margin: float) -> str:
    """The `false_alarm_rate` that would move the calibrated threshold by so much, where one does."""
    if account.threshold_from != "rate":
        return ""
    rate = rate_for(account.people, event.threshold + margin)
    return "" if rate is None else f" (false_alarm_rate {rate:.2g})"
