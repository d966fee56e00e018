"""What is kept as data: purposes, usage policy classes, codes of consent, laws; `words` and `why` are for people."""

import tomllib
from importlib.resources import files
from typing import Any


def table(name: str) -> list[dict[str, Any]]:
    """The entries of one file of this folder."""
    read = tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text("utf-8"))
    return list(read[name])
