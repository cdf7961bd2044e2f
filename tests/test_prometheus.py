"""The alert rules: promtool tries each of them, and they speak of metrics that there are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "config" / "prometheus"
PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool here; install with apt-get: prometheus")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "camwatch.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "camwatch.rules.test.yml"),
    ],
    ids=["rules", "configuration", "tests"],
)
def test_promtool_is_content(words: tuple[str, ...]) -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *words], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_speak_of_metrics_that_there_are_and_each_is_tried() -> None:
    rules = (FOLDER / "camwatch.rules.yml").read_text()
    documented = set(re.findall(r"^\| `(camwatch_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bcamwatch_\w+", rules)) <= documented
    alerts = re.findall(r"- alert: (\w+)", rules)
    tried = re.findall(r"alertname: (\w+)\s+exp_alerts", (FOLDER / "camwatch.rules.test.yml").read_text())
    assert len(alerts) >= 10 and set(alerts) == set(tried)
