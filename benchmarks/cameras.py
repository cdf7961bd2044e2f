"""How many cameras this machine holds, live: `python -m benchmarks.cameras --help`, from the repository's root.

Starts an RTSP server, a broker, the daemon and a subscriber, all real and all on this machine, and reports what each
of them took and when the names of visitors arrived. The server's and the broker's share is told apart: in a house they
run elsewhere.
"""

import argparse
import json
import math
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.cameras_figures import next_try, verdict
from benchmarks.cameras_run import Plan, Result, run
from benchmarks.cameras_scene import SIZES
from camwatch.tools.bench.machine import describe
from tests.rigs.mosquitto import MOSQUITTO_MISSING
from tests.rigs.rtsp_server import RTSP_MISSING


def main() -> int:
    """Run what the command line asks for; 1 where something is missing or failed, or nothing held."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that all that was started is ended
    for missing in (RTSP_MISSING, MOSQUITTO_MISSING):
        if missing:
            print(missing, file=sys.stderr)
            return 1
    machine, results = describe(), list[Result]()
    for result in _results(arguments):
        results.append(result)
        print(table(result), end="\n\n", flush=True)
        if arguments.json:
            report = {"machine": machine, "results": [each.plain() for each in results]}
            arguments.json.write_text(json.dumps(report, indent=1))
    if arguments.find:
        print("\n".join(verdict([(each.plan.gate, each.plan.cameras, each.held) for each in results])))
        return int(not any(each.held for each in results))
    return 0


def table(result: Result) -> str:
    """The result for people."""
    plan = result.plan
    lines = [
        f"{plan.cameras} cameras, {plan.size} at {plan.rate} a second ({result.megabits:.1f} Mb/s), "
        f"{plan.fps:g} analysed, gate {'on' if plan.gate else 'off'}, {plan.doors} with visitors: "
        + ("holds" if result.held else "does not hold: " + "; ".join(result.why_not)),
        f"  {result.seconds:.0f} s measured; {result.start_to_ready:.1f} s from start to ready",
        f"  {'process':<12}{'CPU':>8}{'RSS':>9}{'PSS':>9}{'threads':>9}{'switches/s':>12}",
    ]
    for kind, took in result.processes.items():
        name = f"{kind}{' (mean)' if kind == 'reader' else ''}"
        lines.append(
            f"  {name:<14}{took.cpu:>6.1%}{took.rss_mb:>6.0f} MB{took.pss_mb:>6.0f} MB"
            f"{took.threads:>9.0f}{took.switches:>12.0f}"
        )
    low, high = result.readers_cpu
    lines.append(f"  readers {low:.1%} to {high:.1%}; daemon in all {result.daemon_cpu:.1%} of one core")
    lines.append("  frames: " + ", ".join(f"{name} {count:.0f}" for name, count in result.frames.items()))
    lines.append(
        f"  a second and camera, min/median/max: analysed {_three(result.analysed_fps)}, "
        f"analysed or idle {_three(result.considered_fps)}"
    )
    lines.append(
        f"  batch {result.batch:.1f} frames; queue p50 {_s(result.queue[0])}, p95 {_s(result.queue[1])}; "
        + "ms a frame analysed: "
        + ", ".join(f"{k} {v:.1f}" for k, v in result.stages_ms.items())
    )
    p50, p95, most = result.first_face_to_name
    lines.append(
        f"  first face to name at the subscriber: p50 {_s(p50)}, p95 {_s(p95)}, most {_s(most)}; "
        f"{result.named} of {result.visits} visits named, others {result.others or 'none'}"
    )
    for kind, (half, most_of) in result.acknowledged.items():
        lines.append(f"  deciding frame to acknowledged, {kind}: p50 {_s(half)}, p95 {_s(most_of)}")
    return "\n".join(lines)


def _results(arguments: argparse.Namespace) -> Iterator[Result]:
    for gate in {"on": [True], "off": [False], "both": [True, False]}[arguments.gate]:
        if not arguments.find:
            for number in arguments.cameras:
                yield run(_plan(arguments, number, gate), arguments.footage)
            continue
        tried: dict[int, bool] = {}
        until = time.monotonic() + 60 * arguments.minutes
        while time.monotonic() < until:
            number = next_try(tried, arguments.most, start=arguments.cameras[0])
            if number is None:
                break
            result = run(_plan(arguments, number, gate), arguments.footage)
            tried[number] = result.held
            yield result


def _plan(arguments: argparse.Namespace, cameras: int, gate: bool) -> Plan:
    settings = [tuple(each.split("=", 1)) for each in arguments.set]
    doors = math.ceil(cameras / 8) if arguments.doors is None else arguments.doors
    plan = Plan(
        cameras,
        gate=gate,
        seconds=arguments.seconds,
        size=arguments.size,
        rate=arguments.rate,
        fps=arguments.fps,
        crf=arguments.crf,
        doors=min(doors, cameras),
        every=arguments.every,
    )
    values: list[tuple[str, Any]] = [(key, yaml.safe_load(value)) for key, value in settings]
    return replace(plan, settings=tuple(values))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cameras", description=__doc__.split("\n")[0])
    numbers = lambda text: [int(part) for part in text.split(",")]  # noqa: E731
    parser.add_argument("--cameras", type=numbers, default=[4], help="how many, or several numbers: 1,2,4,8")
    parser.add_argument("--find", action="store_true", help="search the largest number that holds, from --cameras on")
    parser.add_argument("--most", type=int, default=64, help="the largest number that --find tries")
    parser.add_argument("--minutes", type=float, default=30, help="--find begins nothing new after so many")
    parser.add_argument("--gate", choices=("on", "off", "both"), default="on", help="the motion gate")
    parser.add_argument("--seconds", type=int, default=60, help="how long each run is measured")
    parser.add_argument("--size", choices=SIZES, default="720p")
    parser.add_argument("--rate", type=int, default=25, help="pictures a second that a camera sends")
    parser.add_argument("--fps", type=float, default=5.0, help="pictures a second to analyse")
    parser.add_argument("--crf", type=int, default=26, help="x264's quality of the clips; less is more to decode")
    parser.add_argument("--doors", type=int, help="cameras with visitors; one in eight by default")
    parser.add_argument("--every", type=int, default=60, help="seconds from one visitor of such a camera to the next")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the configuration")
    parser.add_argument("--footage", type=Path, default=Path.home() / ".cache" / "camwatch-benchmarks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    return parser.parse_args()


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f} s"


def _three(values: tuple[float, float, float]) -> str:
    return "/".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
