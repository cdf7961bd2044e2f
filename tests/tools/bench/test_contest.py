"""Workers: who cannot take part says why, who dies is named, nobody stays behind."""

import importlib.util
import os
import signal
import time

import pytest

from camwatch.errors import CamwatchError
from camwatch.tools.bench import contest
from camwatch.tools.bench.contest import Comparison, Worker
from camwatch.tools.bench.timing import Cost
from camwatch.tools.bench.work import Unable


def test_who_is_not_known_cannot_take_part(no_leftovers: None) -> None:
    with pytest.raises(Unable, match="no contestant 'nobody'"), Worker("nobody", "nobody", threads=1):
        pass


@pytest.mark.skipif(importlib.util.find_spec("facenet_pytorch") is not None, reason="it is installed")
def test_what_is_not_installed_is_no_failure(no_leftovers: None) -> None:
    with pytest.raises(Unable, match="not installed"), Worker("rival", "facenet-pytorch", threads=1):
        pass


def test_who_dies_is_named_with_the_last_words(no_leftovers: None) -> None:
    worker = Worker("the machine", "machine", threads=1)
    worker._job.pop("threads")  # what the process does not expect
    with pytest.raises(CamwatchError, match="bench: the machine died: KeyError: 'threads'"), worker:
        pass


def test_who_died_is_asked_again_without_harm(no_leftovers: None) -> None:
    worker = Worker("the machine", "machine", threads=1)
    with worker:
        worker._process.kill()
        worker._process.wait()
        for _ in range(2):
            with pytest.raises(CamwatchError, match="bench: the machine died"):
                worker.prepare({"kind": "rates", "filler": "x" * 100_000})


def test_a_late_answer_is_not_taken_for_that_to_the_next_question(no_leftovers: None) -> None:
    with Worker("the machine", "machine", threads=1) as worker:
        os.kill(worker._process.pid, signal.SIGSTOP)  # or it might answer before we have begun to wait
        with pytest.raises(CamwatchError, match="gave no answer"):
            worker._ask({"do": "memory"}, 0.0)
        with pytest.raises(CamwatchError, match="died"):
            worker.memory()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_contestant_has_no_more_cores_than_threads(no_leftovers: None, threads: int) -> None:
    with Worker("the machine", "machine", threads=threads) as worker:
        cores = os.sched_getaffinity(worker._process.pid)
    assert cores == set(sorted(os.sched_getaffinity(0))[:threads])


def test_who_works_is_not_waited_for_when_something_went_wrong(
    no_leftovers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "_ENDING", 60.0)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Worker("the machine", "machine", threads=1) as worker:
        process = worker._process
        os.kill(process.pid, signal.SIGSTOP)  # as deaf as one in the middle of a long computation
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 60.0


def test_costs_as_they_stand_in_results() -> None:
    costs = {"rival": [Cost(0.008, 0.016), Cost(0.012, 0.024)], "ours": [Cost(0.002, 0.002), Cost(0.002, 0.002)]}
    told = Comparison({}, costs, {"other": "not installed"}).told(["rival", "other"])
    assert [row["label"] for row in told["rows"]] == ["rival", "ours"]
    assert told["rows"][0]["cpu_ms"] == {"median": 10.0, "low": 9.0, "high": 11.0, "count": 2}
    [pair] = told["ratios"]
    assert (pair["ours"], pair["rival"], pair["cpu"]["median"], pair["wall"]["median"]) == ("ours", "rival", 5.0, 10.0)
    assert told["not_run"] == [{"label": "other", "reason": "not installed"}]
