"""Reopens the source of an asset in the process of a step, and checks that its content is what the connector read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from medspace.adapters.runner import Recipe, recipe_of
from medspace.app.node.config import Asset, Config
from medspace.app.node.sources import SCHEMES, locate
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import parse
from medspace.core.errors import MedspaceError
from medspace.core.material import Source
from medspace.core.text import msgid


class RowsChangedError(MedspaceError):
    """The content of an asset has changed since the connector was started, so it is unchecked."""

    code = "rows.changed"
    sentence = msgid("The data of {asset} are not those that the connector was started with.")
    next_step = msgid("Put them back as they were, or start the connector again.")


def source_again(folder: str, asset: JsonObject, content: str) -> Source:
    """The source of one asset of the configuration in `folder`; `content` is its expected digest.

    Raises:
        RowsChangedError: its content has another digest.
    """
    described, root = msgspec.convert(asset, Asset), Path(folder)
    dictionary = parse((root / described.dictionary).read_text(encoding="utf-8"))
    scheme, location = locate(described, root.joinpath, SCHEMES)
    checked = scheme.open(location, dictionary)
    if checked.digest != content:
        raise RowsChangedError(asset=described.id)
    return checked.source


def sources_of(
    config: Config, contents: Mapping[str, str], configured: Mapping[str, Asset] | None = None
) -> Callable[[str], Recipe]:
    """How to recreate the source of each asset; `contents` are the digests of what was read.

    `configured` is the current configuration of each asset, where that may change; otherwise the one at start.
    """
    folder = str(config.path("."))
    assets = {asset.id: asset for asset in config.assets} if configured is None else configured

    def source_of(asset: str) -> Recipe:
        described = msgspec.to_builtins(assets[asset])
        return recipe_of(source_again, folder=folder, asset=described, content=contents[asset])

    return source_of
