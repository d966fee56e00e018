"""Where the content of an asset may be kept: what its address begins with, and what opens it; one line each.

An adapter is imported when the first asset needs it; what it needs besides is said with the command that brings it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medspace.app.config import Asset
from medspace.core.dictionary import Dictionary
from medspace.core.errors import InvalidInputError
from medspace.core.material import Checked, Form
from medspace.core.text import msgid

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")  # RFC 3986 3.1, in small letters, two at least
PATH = ""  # the scheme of an address that is a path and no more


class SchemeUnknownError(InvalidInputError):
    """Nothing here opens addresses of this kind."""

    code = "asset.scheme"
    sentence = msgid("The source of {asset} begins with {scheme}:, which nothing here opens.")
    next_step = msgid("Name a path, or an address that begins with one of {known}.")


@dataclass(frozen=True, slots=True)
class Location:
    """Where the content of an asset is: `address` is what follows the scheme, `source` the whole of it."""

    asset: str
    source: str
    address: str
    path: Callable[[str], Path]  # a path of the configuration, made absolute
    table: str = ""
    password: str = ""  # the file of the password


Open = Callable[[Location, Dictionary], Checked]


@dataclass(frozen=True, slots=True)
class Scheme:
    """What addresses of a kind lead to, and what reads and checks it. Opening blocks.

    It raises a `WaitingError` where the content is away and may come back without anybody's doing here, any other
    `MedspaceError` where it cannot be used.
    """

    form: Form
    open: Open


def _file(form: str) -> Open:
    def opened(location: Location, dictionary: Dictionary) -> Checked:
        from medspace.adapters.duckdb.publishing import CheckedTable  # noqa: PLC0415 - duckdb and numpy come with it
        from medspace.adapters.duckdb.source import load  # noqa: PLC0415

        path = location.path(location.address)
        return CheckedTable(location.asset, load(path, dictionary, location.table, form))

    return opened


def _postgresql(location: Location, dictionary: Dictionary) -> Checked:
    from medspace.adapters.keys import read_secret  # noqa: PLC0415 - as for files
    from medspace.adapters.postgresql import load  # noqa: PLC0415 - duckdb and the driver come with it

    file = location.path(location.password) if location.password else None
    password = read_secret(file).decode("utf-8", "replace").strip("\r\n") if file else ""
    return load(location.asset, location.source, location.table, dictionary, password)


def _images(location: Location, dictionary: Dictionary) -> Checked:
    from medspace.adapters.images import load  # noqa: PLC0415 - as for files

    return load(location.asset, location.path(location.address), dictionary)


SCHEMES: Mapping[str, Scheme] = {
    PATH: Scheme(Form.TABLE, _file("")),  # of a file, its first bytes tell its form
    "csv": Scheme(Form.TABLE, _file("csv")),
    "parquet": Scheme(Form.TABLE, _file("parquet")),
    "duckdb": Scheme(Form.TABLE, _file("duckdb")),
    "sqlite": Scheme(Form.TABLE, _file("sqlite")),
    "postgresql": Scheme(Form.TABLE, _postgresql),
    "images": Scheme(Form.IMAGES, _images),
}


def locate(asset: Asset, path: Callable[[str], Path], schemes: Mapping[str, Scheme]) -> tuple[Scheme, Location]:
    """What opens an asset, and where it is. A file whose name looks like an address is a file.

    Raises:
        SchemeUnknownError: nothing here opens addresses of this kind.
    """
    found = _SCHEME.match(asset.source)
    scheme, address = (found[1], asset.source[found.end() :]) if found else (PATH, asset.source)
    if scheme not in schemes:
        if not path(asset.source).exists():
            known = ", ".join(f"{name}:" for name in schemes if name)
            raise SchemeUnknownError(asset=asset.id, scheme=scheme, known=known)
        scheme, address = PATH, asset.source
    return schemes[scheme], Location(asset.id, asset.source, address, path, asset.table, asset.password)
