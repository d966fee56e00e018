"""A private PostgreSQL server for the tests, where one is installed.

Import the fixture into a conftest.py: `from tests.postgres import postgres`. `postgres()` then makes an empty schema
and returns the URL that leads there. The server listens on a Unix socket in a folder of its own and ends with the
tests; it does not wait for the disk, since no test cuts the power.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.schema import CreateSchema

SETTINGS = ("listen_addresses=''", "max_connections=40", "shared_buffers=16MB", "autovacuum=off", "fsync=off")


class Server:
    """A server in a folder of its own; it can be stopped as if its machine failed, and started again."""

    def __init__(self) -> None:
        self.programs = _programs()
        self.folder = Path(tempfile.mkdtemp(prefix="medspace-pg-"))
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        how = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        _run([self.programs / "initdb", "-D", self.folder / "data", *how])

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={self.folder}"))
        _run([*self._control, "-o", options, "-l", self.folder / "log", "-w", "start"])

    def stop(self) -> None:
        _run([*self._control, "-m", "immediate", "-w", "stop"])

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}"

    def schema(self, name: str) -> str:
        """The URL that leads to a new, empty schema."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(CreateSchema(name))
        engine.dispose()
        return f"{self.url}&options=-csearch_path%3D{name}"

    @property
    def _control(self) -> list[str | Path]:
        return [self.programs / "pg_ctl", "-D", self.folder / "data"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    server, numbers = Server(), count()
    try:
        server.start()
        yield lambda: server.schema(f"test{next(numbers)}")
        server.stop()
    finally:
        server.remove()


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A running server that the test may stop and start."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    server = Server()
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.remove()


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server is installed")
    return found[-1].parent if found else Path(on_path).parent


def _run(command: list[str | Path]) -> None:
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, *map(str, command)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout.decode()
