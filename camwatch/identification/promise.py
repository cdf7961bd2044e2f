"""What a gallery can promise: how many strangers are expected to get a name, and how sure that is.

The figures are counts over random galleries, made by `python -m tests.accuracy.promised KIT` (decision 018 has the
kit). They describe no person: each is a share of 200 strangers, over 200 galleries of a size.
"""

import math
from dataclasses import dataclass

from camwatch.identification.centre import centre_of
from camwatch.identification.recognizer import Limit, Recognizer, visit_threshold_for

STRANGERS = 200
"""How many strangers the figures rest on."""
_SIZES = (1, 3, 10, 30, 100)
_PHOTOS = (1, 3, 5)
_RATES = (0.05, 0.01, 0.001)
_ASKABLE = (0.0001, 0.1)
_Z = 1.96

# By rate asked and photos of each person, for each size: the share of strangers that got a name, and the rate that 95
# of 100 galleries keep below. Single pictures and visits of ten poor frames, of one still and of several, were counted;
# of each the worst of the three is here.
_MEASURED: dict[tuple[float, int], tuple[tuple[float, float], ...]] = {
    (0.05, 1): ((0.0155, 0.0314), (0.0268, 0.0372), (0.0308, 0.0308), (0.0312, 0.0312), (0.0245, 0.0245)),
    (0.05, 3): ((0.0181, 0.0280), (0.0312, 0.0432), (0.0361, 0.0380), (0.0317, 0.0317), (0.0245, 0.0245)),
    (0.05, 5): ((0.0207, 0.0384), (0.0313, 0.0422), (0.0378, 0.0378), (0.0324, 0.0324), (0.0253, 0.0253)),
    (0.01, 1): ((0.0035, 0.0077), (0.0050, 0.0091), (0.0073, 0.0073), (0.0086, 0.0086), (0.0037, 0.0037)),
    (0.01, 3): ((0.0046, 0.0061), (0.0065, 0.0095), (0.0073, 0.0084), (0.0092, 0.0092), (0.0050, 0.0050)),
    (0.01, 5): ((0.0044, 0.0101), (0.0064, 0.0089), (0.0075, 0.0075), (0.0092, 0.0092), (0.0054, 0.0054)),
    (0.001, 1): ((0.0007, 0.0022), (0.0011, 0.0032), (0.0018, 0.0018), (0.0024, 0.0024), (0.0003, 0.0003)),
    (0.001, 3): ((0.0005, 0.0017), (0.0013, 0.0017), (0.0027, 0.0027), (0.0037, 0.0037), (0.0008, 0.0008)),
    (0.001, 5): ((0.0005, 0.0024), (0.0013, 0.0019), (0.0031, 0.0031), (0.0041, 0.0041), (0.0010, 0.0010)),
}


@dataclass(frozen=True, slots=True)
class Promise:
    """What can be said of strangers before a gallery; all are shares of them.

    Attributes:
        asked: The rate asked for, None where the user has set the threshold.
        expected: Who are expected to get a name.
        spread: No more than so many in 95 of 100 galleries like this one, by the figures as they are.
        most: The same, as far as `STRANGERS` of them can tell.
        people, photos: Enrolled, and photos of the person who has fewest.
    """

    asked: float | None
    expected: float
    spread: float
    most: float
    people: int
    photos: int

    @property
    def sentence(self) -> str:
        """All of it in words."""
        few, most = 100 * self.expected, 100 * self.most
        said = f"of strangers about {few:.2g} % are expected to get a name, at most {most:.2g} %"
        if self.asked is None or self.most <= self.asked:
            return said
        if self.asked < _RATES[-1]:
            floor = _percent(_RATES[-1])
            return f"{said}: nothing below {floor} was measured, {_percent(self.asked)} is a setting and no promise"
        if self.expected > self.asked and _percent(self.expected) != _percent(self.asked):
            return f"{said}: more than the {_percent(self.asked)} asked for; a stricter rate comes nearer"
        if self.spread > self.asked:
            more = "" if self.photos >= _PHOTOS[1] else "; three or more photos of everybody make it surer"
            return f"{said}: galleries of {self.people} differ, {_percent(self.asked)} is kept on average only{more}"
        return f"{said}: {STRANGERS} were measured, who tell no more"


def promise(people: int, photos: int, *, asked: float | None, threshold: float) -> Promise | None:
    """What a gallery can promise.

    Args:
        people: Enrolled.
        photos: Of the person who has fewest.
        asked: The false alarm rate that the threshold was made for, None where the user has set it.
        threshold: The cosine in force for visits.

    Returns:
        None where nobody is enrolled, or the user's threshold is beyond all that was measured.
    """
    rate = asked if asked is not None else rate_for(people, threshold)
    if not people or rate is None:
        return None
    named, spread = _looked_up(people, photos, rate)
    return Promise(asked, named, spread, _wilson(spread), people, photos)


def promised(recognizer: Recognizer, limit: Limit | None = None) -> str:
    """What a recognizer can promise, to be said after its threshold: see `told`; `limit` is a camera's own."""
    gallery, limit = recognizer.gallery, limit or recognizer.limit()
    return told(
        len(gallery),
        gallery.fewest_photos,
        asked=limit.false_alarm_rate,
        threshold=limit.threshold,
        network=gallery.network,
    )


def told(people: int, photos: int, *, asked: float | None, threshold: float, network: str) -> str:
    """What is to be said after a threshold, `; ` before it; empty where nobody is enrolled.

    The figures are of the packaged network; of another one nothing is known.

    Args:
        people, photos, asked, threshold: See `promise`.
        network: Id of the network that embeds.
    """
    if not people:
        return ""
    if centre_of(network) is None:
        return f"; nothing was measured with the network {network}"
    said = promise(people, photos, asked=asked, threshold=threshold)
    if said is not None:
        return f"; {said.sentence}"
    strict, loose = (visit_threshold_for(people, rate) for rate in _ASKABLE)
    if threshold < loose:
        there = promise(people, photos, asked=None, threshold=loose)
        more = f", where about {_percent(there.expected)} of strangers are expected to get a name," if there else ""
        return f"; below {loose:.2f}{more} nothing was measured"
    return f"; above {strict:.2f} nothing was measured"


def rate_for(people: int, threshold: float) -> float | None:
    """The rate whose threshold for visits this is; None where no rate has it. Bisection: thresholds only fall."""
    strict, loose = (visit_threshold_for(people, rate) for rate in _ASKABLE)
    if not loose <= threshold <= strict:
        return None
    low, high = map(math.log10, _ASKABLE)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if visit_threshold_for(people, 10**middle) > threshold else (low, middle)
    return 10 ** float(low)


def _looked_up(people: int, photos: int, rate: float) -> tuple[float, float]:
    """Share named and spread, straight between the sizes in their logarithm, and between the rates in theirs.

    Beyond the sizes and the rates that were measured, in the proportion of the last one to what was asked.
    """
    row = max((most for most in _PHOTOS if most <= photos), default=_PHOTOS[0])
    size = min(max(math.log10(max(people, 1)), 0.0), 2.0)
    at = max(place for place, one in enumerate(_SIZES[:-1]) if math.log10(one) <= size)
    low, high = (math.log10(one) for one in _SIZES[at : at + 2])
    share = (size - low) / (high - low)
    parts = []
    for measured in _RATES:
        pairs = _MEASURED[measured, row][at : at + 2]
        parts.append([(1 - share) * one + share * other for one, other in zip(*pairs, strict=True)])
    near = 0 if rate >= _RATES[1] else 1
    first, second = _RATES[near : near + 2]
    way = min(max((math.log10(rate) - math.log10(second)) / (math.log10(first) - math.log10(second)), 0.0), 1.0)
    scale = rate / min(max(rate, second), first)
    named, spread = (
        scale * (way * one + (1 - way) * other) for one, other in zip(*parts[near : near + 2], strict=True)
    )
    return named, spread


def _wilson(share: float) -> float:
    """The upper end of the 95 % interval around a share of `STRANGERS` (Wilson, JASA 22, 1927)."""
    count, squared = STRANGERS, _Z * _Z
    middle = share + squared / (2 * count)
    reach = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count * count))
    return (middle + reach) / (1 + squared / count)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
