"""Installs a Home Assistant beside camwatch, for the tests that need a real one: `make homeassistant`, five minutes.

    python setup/homeassistant.py FOLDER [PYTHON]

It gets an environment of its own in FOLDER, made by PYTHON (3.13), with what the parts of it need that the tests use:
started with `--skip-pip` it installs nothing by itself. Only the standard library is used.
"""

import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2025.4.4"
PARTS = (
    "api auth automation binary_sensor blueprint button camera config counter device_tracker diagnostics event "
    "frontend history http image image_upload input_boolean logger mqtt number onboarding person recorder repairs "
    "script select sensor switch tag trace update websocket_api zone"
)

_REQUIREMENTS = """
import json, pathlib, sys
import homeassistant
import homeassistant.bootstrap as bootstrap

components = pathlib.Path(homeassistant.__file__).parent / "components"
waiting = {*sys.argv[1].split(), *bootstrap.CORE_INTEGRATIONS, *bootstrap.DEFAULT_INTEGRATIONS}
waiting |= set(bootstrap.FRONTEND_INTEGRATIONS)
done, wanted = set(), set()
while waiting:
    name = waiting.pop()
    done.add(name)
    manifest = json.loads((components / name / "manifest.json").read_text())
    wanted |= set(manifest.get("requirements", []))
    waiting |= set(manifest.get("dependencies", [])) - done
print("\\n".join(sorted(wanted)))
"""


def main() -> int:
    """Install where it is not there yet."""
    folder = Path(sys.argv[1])
    chosen = sys.argv[2] if len(sys.argv) > 2 else "python3.13"
    done = folder / f".installed-{VERSION}"
    if done.exists():
        return 0
    found = shutil.which(chosen)
    if found is None:
        print(f"camwatch setup: Home Assistant {VERSION} wants Python 3.13; there is no {chosen} here", file=sys.stderr)
        return 1
    subprocess.run([found, "-m", "venv", "--clear", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, f"homeassistant=={VERSION}"], check=True)
    told = subprocess.run([str(python), "-c", _REQUIREMENTS, PARTS], check=True, capture_output=True, text=True)
    list_file = folder / "requirements.txt"
    list_file.write_text(told.stdout)
    where = subprocess.run(
        [str(python), "-c", "import homeassistant; print(homeassistant.__path__[0])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    constraints = str(Path(where) / "package_constraints.txt")
    subprocess.run([*pip, "-r", str(list_file), "-c", constraints], check=True)
    done.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
