"""What is needed to understand a run that failed: what failed, both databases, both logs, the messages still owed."""

import json
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medspace.app.config import read_config
from tests.e2e import settled
from tests.e2e.crash import Crowd

KEEP = "MEDSPACE_CRASH_KEEP"  # the folder in which what is left of failed runs is kept; the temporary one without it


@contextmanager
def kept_if_it_fails(crowd: Crowd) -> Iterator[None]:
    """Run the block; where it fails, keep what the connectors had and say where."""
    try:
        yield
    except Exception as error:
        folder = keep(crowd)
        (folder / "failure.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        raise AssertionError(f"{error}\nWhat is needed to understand it is in {folder}") from error


def keep(crowd: Crowd) -> Path:
    """Stop the connectors and copy their folders; `owed.json` lists the messages that they owe."""
    owed = {node.name: settled.owed(read_config(node.config).database_url) for node in crowd.nodes}
    lives = {node.name: node.stop() for node in crowd.nodes}
    parent = os.environ.get(KEEP)
    if parent:
        Path(parent).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="medspace-crash-", dir=parent))
    for node in crowd.nodes:
        shutil.copytree(node.config.parent, folder / node.name, ignore=shutil.ignore_patterns("keys"))
    story = {"owed": {name: [json.loads(body) for body in bodies] for name, bodies in owed.items()}, "ends": lives}
    (folder / "owed.json").write_text(json.dumps(story, indent=1), encoding="utf-8")
    return folder
