"""Sockets that a module of tests leaves open.

A socket that is dropped while it is open is a ResourceWarning, which is an error here. One that something still
holds, such as a client of a module, is only found when the interpreter ends and nobody listens: so it is looked for
after each module.
"""

import gc
import socket
from pathlib import Path

FOLDER = Path("/proc/self/fd")  # Linux; elsewhere nothing is found


def open_sockets() -> set[str]:
    """The sockets of this process, by the names that the system gives them."""
    if not FOLDER.is_dir():
        return set()
    return {link for path in FOLDER.iterdir() if (link := _link(path)).startswith("socket:")}


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # it was the folder's own, or has been closed meanwhile
        return ""


def left_open(before: set[str]) -> list[str]:
    """What is open now and was not before, once everything that is held by nobody is gone."""
    if not open_sockets() - before:
        return []
    gc.collect()  # what was dropped in a circle warns now
    new = open_sockets() - before
    # By its type: libraries have objects that warn when they are asked for their class.
    held = [each for each in gc.get_objects() if issubclass(type(each), socket.socket) and each.fileno() >= 0]
    known = {_link(FOLDER / str(each.fileno())): repr(each) for each in held}
    return sorted(known.get(link, link) for link in new)
