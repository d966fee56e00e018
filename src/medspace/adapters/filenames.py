"""Names of files that come from outside, whatever is in them.

`pathlib` (Python 3.11) raises RuntimeError for a circle of links, OSError for a name that is too long and ValueError
for a NUL, already when asked where a file would be. These functions never raise for a name: whoever opens the file
gets the operating system's own answer.
"""

import os
from pathlib import Path


def absolute(path: Path | str) -> Path:
    """The path from the root, with links followed as far as they lead anywhere."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return Path(os.path.abspath(path))  # noqa: PTH100 - looks at no file


def is_there(path: Path | str) -> bool:
    """Whether there is such a file or folder; False where there can be none."""
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: Path | str) -> bool:
    """Whether there is a folder of that name; False where there can be none."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path | str) -> bool:
    """Whether there is a file of that name; False where there can be none."""
    return os.path.isfile(path)  # noqa: PTH113
