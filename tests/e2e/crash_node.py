"""One whole connector, as `medspace up` runs it: what `test_crash_*` kill.

What a connector imports only once it needs it is imported here, before any connector is forked.
"""

import importlib
from pathlib import Path
from typing import Any

from medspace.app.compose.serve import run_connector

for late in ("fastapi", "duckdb", "numpy", "medspace.adapters.duckdb.source", "medspace.app.compose.inside"):
    importlib.import_module(late)


def run(setup: dict[str, Any]) -> None:
    """Run the connector of a configuration file until it is ended."""
    run_connector(Path(setup["config"]), lambda _text: None)
