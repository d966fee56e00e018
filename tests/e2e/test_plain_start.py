"""A connector that offers nothing loads nothing that computes."""

import subprocess
import sys

from medspace.app.features.setup.service import Wishes, set_up
from tests.ports import claim

PROGRAM = """
import asyncio, sys
from pathlib import Path
from medspace.app.compose.connector import ConnectorParts, open_connector
from medspace.app.node.config import read_config

async def main():
    connector = await open_connector(read_config(Path(sys.argv[1])), ConnectorParts(), print)
    assert connector.private_app
    await connector.close()

asyncio.run(main())
print("LOADED", *[name for name in ("numpy", "duckdb", "jinja2", "torch") if name in sys.modules])
"""


def test_a_connector_without_tables_loads_neither_numpy_nor_templates(tmp_path):
    made = set_up(tmp_path / "plain", Wishes("Plain", claim(2)[0]))
    done = subprocess.run([sys.executable, "-c", PROGRAM, made["config"]], capture_output=True, text=True, check=True)
    assert done.stdout.rpartition("LOADED")[2].strip() == ""
