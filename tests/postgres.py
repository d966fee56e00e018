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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    programs = _programs()
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    folder = Path(tempfile.mkdtemp(prefix="medspace-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    try:
        _run([programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories={folder}"))
        _run([programs / "pg_ctl", "-D", folder / "data", "-o", options, "-l", folder / "log", "-w", "start"])
        numbers = count()
        yield lambda: _create(folder, f"test{next(numbers)}")
        _run([programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server is installed")
    return found[-1].parent if found else Path(on_path).parent


def _create(folder: Path, name: str) -> str:
    server = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(CreateSchema(name))
    engine.dispose()
    return f"{server}&options=-csearch_path%3D{name}"


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
