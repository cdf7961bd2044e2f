"""The table shows what the audit found, and a recovery that never came."""

from dataclasses import replace

from tests.faults.audit import Decided, Found, Trouble, audit
from tests.faults.fault import Cure, Fault, Injected
from tests.faults.table import Result, table

EVENTS = [Decided(f"e{number}", f"v{number}", "unknown", "door", None, 100.0 + number) for number in range(3)]
FOUND = Found(EVENTS, EVENTS, (), (), {"door": None}, [Trouble("cut", 100.5, 103.0, frozenset())])


def injected(recovered: float | None) -> Injected:
    fault = Fault("cut", "broker", lambda *_: Cure())
    return Injected(fault, "broker", frozenset(), 100.5, Cure(), 0.0, recovered=recovered)


def result(*recovered: float | None, arrived: int = 3) -> Result:
    return Result(tuple(map(injected, recovered)), audit(replace(FOUND, arrived=EVENTS[:arrived])), (), "")


def test_a_good_run() -> None:
    good = result(1.0, 2.0, 9.0)
    assert good.good
    assert "| cut | 3 | 2 | 2 | 0 | 0 | 2.0 | 9.0 |" in table(good).splitlines()
    assert "3 faults. Events: 3 decided, 3 arrived, 0 lost," in table(good)


def test_a_loss_and_slow_recoveries_show() -> None:
    lossy = result(1.0, arrived=2)
    assert not lossy.good
    assert "| cut | 1 | 2 | 1 | 0 | 0 | 1.0 | 1.0 |" in table(lossy).splitlines()
    slow = result(16.0, None)
    assert not slow.good
    assert "| cut | 2 | 2 | 2 | 0 | 0 | 16.0 | never (1) |" in table(slow).splitlines()
    assert "Recoveries of more than 15 s: 2." in table(slow)
