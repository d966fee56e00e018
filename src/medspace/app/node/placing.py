"""Adds to errors about an asset's settings where they are: the file and the line, with the asset's name.

Labels, terms and budgets are parsed by rooms that know no files. Whoever has to fix a setting needs the line.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medspace.app.node.config import Asset, Config
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid
from medspace.core.toml import line_of


class AssetSettingError(InvalidInputError):
    """A setting of an asset cannot be used; its code is that of the reason."""

    code = "asset.setting"
    sentence = msgid("{file}, line {line} (asset {asset}): {why}")
    next_step = msgid("{advice}")

    def __init__(self, file: str, line: int | str, asset: str, cause: InvalidInputError) -> None:
        super().__init__(file=file, line=line, asset=asset, why=cause.text, advice=cause.advice)
        self.code = cause.code  # type: ignore[misc]  # that of the reason
        self.cause = cause


@contextmanager
def placed(config: Config, asset: Asset, *path: str | int) -> Iterator[None]:
    """Add the place to errors: `path` leads to it from the asset, the error may know one more step of it.

    Raises:
        AssetSettingError: in place of any `InvalidInputError`, where the configuration was read from a file.
    """
    try:
        yield
    except InvalidInputError as error:
        if not config.file:
            raise
        last = [str(error.facts[name]) for name in ("term", "clause") if name in error.facts]
        at = ("assets", config.assets.index(asset), *path, *last)
        file = Path(config.folder) / config.file
        line = line_of(file.read_text(encoding="utf-8-sig"), at)
        raise AssetSettingError(str(file), line or "-", asset.id, error) from error
