"""The source of an asset, opened again in the process of one step, where its content is what the connector read."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from medspace.adapters.runner import Recipe, recipe_of
from medspace.app.config import Asset, Config
from medspace.app.sources import SCHEMES, locate
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import parse
from medspace.core.errors import MedspaceError
from medspace.core.material import Source
from medspace.core.text import msgid


class RowsChangedError(MedspaceError):
    """An asset has another content than when the connector was started: nothing was checked about it."""

    code = "rows.changed"
    sentence = msgid("The data of {asset} are not those that the connector was started with.")
    next_step = msgid("Put them back as they were, or start the connector again.")


def source_again(folder: str, asset: JsonObject, content: str) -> Source:
    """The source of one asset of the configuration in `folder`; `content` is the digest that it must have.

    Raises:
        RowsChangedError: it has another one.
    """
    described, root = msgspec.convert(asset, Asset), Path(folder)
    dictionary = parse((root / described.dictionary).read_text(encoding="utf-8"))
    scheme, location = locate(described, root.joinpath, SCHEMES)
    checked = scheme.open(location, dictionary)
    if checked.digest != content:
        raise RowsChangedError(asset=described.id)
    return checked.source


def sources_of(config: Config, contents: Mapping[str, str]) -> Callable[[str], Recipe]:
    """How the source of each asset is made again; `contents` are the digests of what was read."""
    folder, assets = str(config.path(".")), {asset.id: asset for asset in config.assets}

    def source_of(asset: str) -> Recipe:
        described = msgspec.to_builtins(assets[asset])
        return recipe_of(source_again, folder=folder, asset=described, content=contents[asset])

    return source_of
