"""Turns, medians, quartiles and ratios, with clocks that are told."""

import pytest

from camwatch.tools.bench.timing import LEAST_ROUNDS, Cost, Spread, interleaved, ratios, spread


def costs(*seconds: float) -> list[Cost]:
    return [Cost(value, 2 * value) for value in seconds]


def test_everybody_has_a_turn_in_each_round_and_who_begins_moves_on() -> None:
    order: list[str] = []

    def turn(name: str) -> Cost:
        order.append(name)
        return Cost(len(order), 0.0)

    found = interleaved({name: lambda name=name: turn(name) for name in "abc"}, rounds=4, seconds=1e9)  # type: ignore[misc]
    assert "".join(order) == "abcbcacababc"
    assert [cost.cpu for cost in found["a"]] == [1, 6, 8, 10]
    assert {len(each) for each in found.values()} == {4}


@pytest.mark.parametrize(
    ("rounds", "seconds", "run"), [(10, 7.0, 7), (10, 0.0, LEAST_ROUNDS), (2, 0.0, 2), (4, 1e9, 4)]
)
def test_no_round_is_begun_when_time_is_up_but_for_the_first(rounds: int, seconds: float, run: int) -> None:
    now = [0.0]

    def turn() -> Cost:
        now[0] += 1.0
        return Cost(1.0, 1.0)

    found = interleaved({"a": turn}, rounds=rounds, seconds=seconds, timer=lambda: now[0])
    assert len(found["a"]) == run


def test_nobody_takes_part() -> None:
    assert interleaved({}, rounds=3, seconds=1.0) == {}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3.0, 3.0, 3.0, 1)),
        ([1.0, 9.0], Spread(5.0, 3.0, 7.0, 2)),
        ([5.0, 1.0, 4.0, 2.0, 3.0], Spread(3.0, 2.0, 4.0, 5)),
        ([1.0, 1.0, 1.0, 1000.0], Spread(1.0, 1.0, 250.75, 4)),
    ],
)
def test_spread(values: list[float], expected: Spread) -> None:
    assert spread(values) == expected


def test_no_values_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_ratios_are_taken_within_rounds() -> None:
    # a machine that is ten times slower in the last round must not change the ratio
    cpu, wall = ratios(costs(4.0, 4.0, 40.0), costs(1.0, 2.0, 10.0))
    assert (cpu.median, cpu.low, cpu.high) == (4.0, 3.0, 4.0)
    assert cpu == wall


def test_ratios_need_the_same_rounds() -> None:
    with pytest.raises(ValueError, match="argument"):
        ratios(costs(1.0, 2.0), costs(1.0))
