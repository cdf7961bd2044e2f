"""What a decision hung on, and what would have changed it: from an event and its account, in words. Pure."""

import math
from collections.abc import Iterator

from camwatch.identification.decision import Rule
from camwatch.identification.promise import rate_for
from camwatch.records import IGNORED, Account, Condition, Event, EventType

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
    if event.reason == IGNORED:
        return "the visit of somebody to be ignored ended"
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
    if event.event_type is EventType.ENDED and (event.person is not None or event.reason in (None, IGNORED)):
        return []
    return list(_for_a_name(event, account))


def _against_the_name(event: Event, account: Account) -> Iterator[str]:
    needed = {condition.name: condition for condition in account.naming}
    score = needed.get("score")
    if score is not None and score.value is not None:
        margin = score.value - score.needed
        rate = _as_rate(event, account, margin)
        yield f"a similarity lower, or a threshold higher by {_up(margin):.2f}{rate}: no name"
    lead = needed.get("lead")
    if lead is not None and lead.value is not None and len(account.candidates) > 1:
        other = account.candidates[1].person
        yield f"{other} more similar by {_up(lead.value - lead.needed):.2f}: no name, for it could have been either"
    denied = needed.get("denied")
    if denied is not None and denied.value is not None:
        more = _up(denied.value - denied.needed)
        yield f"a face that is denied to be {event.person} more similar by {more:.2f}: no name"


def _for_a_name(event: Event, account: Account) -> Iterator[str]:
    if not account.people:
        yield "somebody enrolled: the gallery was empty"
        return
    if not account.candidates:
        if not searched(account):
            yield f"a face that can be used: {unused(account)}"
        return
    best = account.candidates[0].person
    lacking = [one for one in account.naming if not one.met and one.value is not None]
    if lacking:
        yield f"{' and '.join(_met_by(one, event, account) for one in lacking)}: {best}"
    if any(one.name == "score" for one in lacking):
        yield f"more photos of {best}, if it was {best}, may make the similarity higher"
    if event.event_type is EventType.ENDED:
        unmet = [one for one in account.unknown if not one.met and one.value is not None]
        if unmet and not any(one.below for one in unmet):
            said = (f"{asked(one)} {one.needed:g} in place of {one.value:.3g}" for one in unmet)
            yield f"{' and '.join(said)}: `unknown`"


def _met_by(condition: Condition, event: Event, account: Account) -> str:
    """What would have met a condition of a name."""
    value = condition.value or 0.0
    short = condition.needed - value
    if condition.name == "score":
        rate = _as_rate(event, account, -short)
        return f"a similarity higher, or a threshold lower by {_up(short):.2f}{rate}"
    if condition.name == "faces":
        return f"{_more_faces(round(value), account.poor) if account.poor >= 0 else 'some'} more usable faces"
    if condition.name == "seconds":
        return f"{_up(short):.2f} s more of them"
    if condition.name == "lead" and len(account.candidates) > 1:
        return f"{account.candidates[1].person} less similar by {_up(short):.2f}"
    return f"no face that is denied to be {account.candidates[0].person}"


def _more_faces(used: int, poor: int, rule: Rule = Rule()) -> int:  # noqa: B008 - frozen
    """How many more usable faces would do: where most were poor, each also raises what is needed."""
    more = 1
    while used + more < rule.faces_needed(used + more, poor):
        more += 1
    return more


def searched(account: Account) -> bool:
    """Whether there was a usable face to search with."""
    return any(one.name == "faces" and one.value for one in account.naming)


def _up(difference: float) -> float:
    """In hundredths, and enough of them."""
    return math.ceil(difference * 100 - 1e-9) / 100


def unused(account: Account) -> str:
    """How many faces could not be used and why, in words."""
    said = ", ".join(f"{cause.replace('_', ' ')} {count}" for cause, count in account.unused)
    return said or "no face was left out"


def _as_rate(event: Event, account: Account, margin: float) -> str:
    """The `false_alarm_rate` that would move the calibrated threshold by so much, where one does."""
    if account.threshold_from != "rate":
        return ""
    rate = rate_for(account.people, event.threshold + margin)
    if rate is None:
        return ""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)  # two digits, rounded so that it is surely far enough
    steps = math.floor(rate / unit - 1e-6) if margin > 0 else math.ceil(rate / unit + 1e-6)
    return f" (false_alarm_rate {steps * unit:.2g})"
