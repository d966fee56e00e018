"""What a failed test leaves behind: the folders that it worked in, and all that was said, in `.test-failures/<test>`.

Databases are copied by SQLite's own backup, so that one whose connector still runs is whole. What is kept is bounded:
so many bytes for one test, so many tests; the oldest goes first.
"""

import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

FOLDER = ".test-failures"
MOST_BYTES = 64 * 1024 * 1024  # of one test
MOST_FILES = 2000
MOST_TESTS = 20
SQLITE = b"SQLite format 3\0"
BESIDE_DATABASES = ("-wal", "-shm", "-journal")  # the backup has what is in them


def keep(item: pytest.Item, report: pytest.TestReport, root: Path) -> Path | None:
    """Copy the folders of a failed test, with its output; where they are now, or None where it had no folder."""
    folders = _folders(item)
    if not folders:
        return None
    kept = root / FOLDER / f"{_name(item.nodeid)}.{report.when}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    said = [report.longreprtext, *(f"--- {title} ---\n{text}" for title, text in report.sections)]
    (kept / "output.txt").write_text("\n\n".join(said)[-MOST_BYTES:], encoding="utf-8", errors="replace")
    left_out = _copied(folders, kept)
    if left_out:
        (kept / "left-out.txt").write_text("\n".join(left_out) + "\n", encoding="utf-8")
    _forget_the_oldest(root / FOLDER)
    return kept


def _name(nodeid: str) -> str:
    return re.sub(r"[^\w.-]+", "_", nodeid.removeprefix("tests/"))[-150:].strip("_")


def _folders(item: pytest.Item) -> list[Path]:
    """The fixtures of the test that are a path, have a `folder` (a stage), or hold connectors with their files."""
    values = getattr(item, "funcargs", {}).values()
    found = {folder.resolve() for value in values for folder in _of(value) if folder.is_dir()}
    return sorted(folder for folder in found if not any(folder.is_relative_to(other) for other in found - {folder}))


def _of(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(folder := getattr(value, "folder", None), Path):
        yield folder
    elif isinstance(nodes := getattr(value, "nodes", None), list):
        configs = [getattr(node, "config", None) for node in nodes]
        yield from (config.parent for config in configs if isinstance(config, Path))


def _copied(folders: Iterable[Path], kept: Path) -> list[str]:
    """Copy what is in the folders, the small files first, up to the bound; what was left out."""
    files = [(path, kept / folder.name / path.relative_to(folder)) for folder in folders for path in _files(folder)]
    room, left_out = MOST_BYTES, []
    for number, (size, path, target) in enumerate(sorted((_size(path), path, target) for path, target in files)):
        if size > room or number >= MOST_FILES:
            left_out.append(f"{path}: {size} bytes")
            continue
        room -= size
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(path, target)
    return left_out


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        database = path.name.removesuffix(next((end for end in BESIDE_DATABASES if path.name.endswith(end)), ""))
        if (
            path.is_file()
            and not path.is_symlink()
            and (database == path.name or not path.with_name(database).exists())
        ):
            yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it has gone meanwhile
        return 0


def _copy(path: Path, target: Path) -> None:
    try:
        with path.open("rb") as file:
            database = file.read(len(SQLITE)) == SQLITE
        _back_up(path, target) if database else shutil.copyfile(path, target)
    except (OSError, sqlite3.Error) as error:  # what cannot be kept must not hide why the test failed
        target.with_name(f"{target.name}.not-kept.txt").write_text(f"{error}\n", encoding="utf-8")


def _back_up(path: Path, target: Path) -> None:
    with closing(sqlite3.connect(path, timeout=2)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _forget_the_oldest(folder: Path) -> None:
    kept = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for path in kept[:-MOST_TESTS]:
        shutil.rmtree(path, ignore_errors=True)
