"""Creating a folder completely, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from medspace.adapters.filenames import is_there
from medspace.adapters.keys import make_folder
from medspace.adapters.oswords import why
from medspace.app.node.config import NAME
from medspace.core.errors import InvalidInputError
from medspace.core.text import Text, msgid

LAST = NAME  # the file that completes the folder


class NewFolderError(InvalidInputError):
    """The folder of a new connector cannot be made: something is there already, or it cannot be written."""

    code = "setup.folder"
    sentence = msgid("A new connector cannot be put into {folder}: {reason}.")
    next_step = msgid("Name another folder; nothing was written.")


class ConfiguredError(NewFolderError):
    """There is a connector in the folder already."""

    code = "setup.taken"
    sentence = msgid("There is a connector in {folder} already; nothing was written.")
    next_step = msgid(
        "Name another folder for a new one. To change this one, edit {file}, or offer one more table: medspace offer "
        "FILE --config {file}. To start it: medspace up {file}"
    )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the wanted one; its contents are moved there at the end, or deleted.

    Raises:
        NewFolderError: something with the same name exists already, or the folder cannot be created.
        SecretExposedError: the folder exists, and others can write to it.
    """
    made = _missing(folder)
    try:
        try:
            make_folder(folder)
            beside = folder / f".{token_hex(8)}"
            make_folder(beside)
        except OSError as error:
            raise NewFolderError(folder=str(folder), reason=why(error)) from error
        try:
            yield beside
            _move(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except BaseException:
        for each in made:  # innermost first; a folder that others have meanwhile put files into stays
            _remove(each)
        raise


def _missing(folder: Path) -> list[Path]:
    """The folders that do not exist yet, innermost first."""
    return [each for each in (folder, *folder.parents) if not is_there(each)]


def _remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _move(beside: Path, folder: Path) -> None:
    names = sorted((each.name for each in beside.iterdir()), key=lambda name: name == LAST)
    for name in names:
        if is_there(folder / name):
            raise NewFolderError(folder=str(folder), reason=Text(msgid("{name} is there already"), {"name": name}))
    done = list[str]()
    try:
        for name in names:
            (beside / name).rename(folder / name)
            done.append(name)
    except BaseException:
        for name in done:
            (folder / name).rename(beside / name)
        raise
