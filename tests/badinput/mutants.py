"""Mutants of good files: bits flipped, parts cut out, doubled and exchanged, numbers made extreme."""

from collections.abc import Callable, Sequence
from random import Random

Step = Callable[[Random, bytearray, Sequence[bytes]], None]
EXTREME = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 30_000, 65_500, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def mutants(seeds: Sequence[bytes], *, words: Sequence[bytes] = (), most: int = 1 << 20) -> Callable[[Random], bytes]:
    """A source of inputs: each is a seed with one to six changes, many of them near the beginning.

    Args:
        seeds: Good files.
        words: What stands for something in this kind of file; put in at random places.
        most: Bytes; longer mutants are cut.
    """

    def draw(random: Random) -> bytes:
        data = bytearray(random.choice(seeds))
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            step = random.choice(STEPS if not words else (*STEPS, _word(words)))
            step(random, data, seeds)
        return bytes(data[:most])

    return draw


def at(random: Random, data: bytearray) -> int:
    """A position; half of them are in the first 64 bytes, where headers are."""
    end = min(64, len(data)) if random.random() < 0.5 else len(data)
    return random.randrange(end) if end else 0


def _flip(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[at(random, data)] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[at(random, data)] = random.randrange(256)


def _number(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    size = random.choice((1, 2, 4, 8))
    value = random.choice(EXTREME) & ((1 << 8 * size) - 1)
    start = at(random, data)
    order: tuple[str, ...] = ("big", "little")
    data[start : start + size] = value.to_bytes(size, random.choice(order))  # type: ignore[arg-type]


def _cut(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = at(random, data)
    del data[start : start + random.choice((1, 2, 4, 16, 256))]


def _end(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data) + 1) :]


def _double(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = at(random, data)
    part = data[start : start + random.choice((1, 4, 16, 64, 512))]
    data[start:start] = part * random.choice((1, 1, 2, 50))


def _noise(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = at(random, data)
    data[start:start] = random.randbytes(random.choice((1, 2, 8, 64)))


def _exchange(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    start = random.randrange(len(other) + 1)
    here = at(random, data)
    size = random.choice((4, 16, 64, 512))
    data[here : here + size] = other[start : start + size]


def _word(words: Sequence[bytes]) -> Step:
    def step(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
        start = random.randrange(len(data) + 1)
        data[start : start + random.choice((0, 0, 1, 4))] = random.choice(words)

    return step


STEPS: tuple[Step, ...] = (_flip, _flip, _byte, _number, _number, _cut, _end, _double, _noise, _exchange)
