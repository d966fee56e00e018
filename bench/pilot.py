"""The pilot in its short form: two rounds, end to end, over real connectors; `make pilot` has the long one."""

from typing import Any

from bench._pilot import pilot


def measure() -> dict[str, dict[str, Any]]:
    """How long the short form takes."""
    found = pilot("--rounds", "2")
    return {
        "pilot.short_seconds": {
            "value": found["pilot.seconds"],
            "unit": "s",
            "reference": "two rounds of training in place of twenty; five hospitals and a clinic",
            "target": "-",
        }
    }
