"""A connector in a process of its own, which can be killed: for stand-ins that must survive it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

from medspace.app.compose.connector import open_connector
from medspace.app.compose.sdk import connect
from medspace.app.compose.serve import serve
from medspace.app.node.config import read_config
from medspace.core.errors import MedspaceError

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE = 90.0


class Killable:
    """The connector of a node, run by `python PROGRAM CONFIG`; the program is what stands before, such as `-m x`."""

    def __init__(self, node, *program: str) -> None:
        self.node, self.program = node, program
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, *self.program, str(self.node.file)]
        path = {
            "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY / "src", REPOSITORY)))
        }  # for the processes of its steps too
        with (self.node.folder.parent / f"{self.node.key}.stderr").open("a") as log:
            self.process = subprocess.Popen(command, env=os.environ | path, stderr=log)
        eventually(self.answers)

    def answers(self) -> bool:
        """Whether it is up, with its assets open."""
        assert self.process.poll() is None, "the connector has ended by itself"
        with suppress(MedspaceError), closing(connect(self.node.file)) as space:
            return all(asset["state"] == "open" for asset in space.status()["assets"])
        return False

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> None:
        """As an administrator stops it, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE) == 0


def eventually(seen) -> None:
    """Wait for another process, by looking."""
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def live(parts) -> None:
    """Be the connector of the configuration that the command line ends with, until told to end."""

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        connector = await open_connector(read_config(Path(sys.argv[-1])), parts, lambda _: None)
        await serve(connector, stop, lambda: None)

    asyncio.run(run())
