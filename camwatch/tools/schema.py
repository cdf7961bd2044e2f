"""`camwatch schema`: the configuration as JSON Schema, for editors that check while one types."""

import json
import sys
from typing import Any, TextIO

from camwatch.config.model import Config


def schema(*, out: TextIO | None = None) -> int:
    """Print the schema (JSON Schema 2020-12).

    Args:
        out: Where to, stdout by default.

    Returns:
        The exit status.
    """
    print(json.dumps(document(), indent=2), file=out or sys.stdout)
    return 0


def document() -> dict[str, Any]:
    """The schema as plain data."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect} | Config.model_json_schema() | {"title": "camwatch"}
