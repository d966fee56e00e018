"""One whole connector, as `medspace up` runs it: what `test_crash_*` kill."""

from pathlib import Path
from typing import Any

from medspace.app.serve import run_connector


def run(setup: dict[str, Any]) -> None:
    """Run the connector of a configuration file until it is ended."""
    run_connector(Path(setup["config"]), lambda _text: None)
