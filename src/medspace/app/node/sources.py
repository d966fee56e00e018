"""Where the content of an asset may be kept: the address schemes, and what opens each of them; one line each.

An adapter is imported when the first asset needs it; if it needs an extra, the error names the command to install it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medspace.adapters.filenames import is_there
from medspace.app.node.config import Asset, CsvForm
from medspace.core.dictionary import Dictionary
from medspace.core.errors import InvalidInputError
from medspace.core.material import Checked, Form
from medspace.core.text import msgid

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):")  # RFC 3986 3.1, lower case, at least two letters
PATH = ""  # the scheme of an address that is only a path


class SchemeUnknownError(InvalidInputError):
    """Nothing here opens addresses with this scheme."""

    code = "asset.scheme"
    sentence = msgid("The source of {asset} begins with {scheme}:, which nothing here opens.")
    next_step = msgid("Name a path, or an address that begins with one of {known}.")


@dataclass(frozen=True, slots=True)
class Location:
    """The location of an asset's content: `address` is the part after the scheme, `source` the whole."""

    asset: str
    source: str
    address: str
    # A path of the configuration, made absolute: one function for each reading of the same file.
    path: Callable[[str], Path] = field(compare=False)
    table: str = ""
    password: str = ""  # the file of the password
    csv: CsvForm | None = None  # the format of a text file, where stated


Open = Callable[[Location, Dictionary], Checked]


@dataclass(frozen=True, slots=True)
class Scheme:
    """The meaning of an address scheme, and what reads and checks the content. Opening blocks.

    It raises a `WaitingError` where the content is unavailable and may come back without intervention here, any other
    `MedspaceError` where it cannot be used.
    """

    form: Form
    open: Open


def _file(form: str) -> Open:
    def opened(location: Location, dictionary: Dictionary) -> Checked:
        from medspace.adapters.duckdb.dialect import as_said  # noqa: PLC0415 - duckdb and numpy come with it
        from medspace.adapters.duckdb.publishing import CheckedTable  # noqa: PLC0415
        from medspace.adapters.duckdb.source import load  # noqa: PLC0415

        path = location.path(location.address)
        said = location.csv
        dialect = None
        if said is not None:
            names, rows = tuple(said.names), tuple(said.leave_out_rows)
            dialect = as_said(path, said.encoding, said.delimiter, said.skip_lines, names, rows)
        return CheckedTable(location.asset, load(path, dictionary, location.table, form, dialect))

    return opened


def _postgresql(location: Location, dictionary: Dictionary) -> Checked:
    from medspace.adapters.keys import read_secret  # noqa: PLC0415 - as for files
    from medspace.adapters.postgresql.table import load  # noqa: PLC0415 - duckdb and the driver come with it

    file = location.path(location.password) if location.password else None
    password = read_secret(file).decode("utf-8", "replace").strip("\r\n") if file else ""
    return load(location.asset, location.source, location.table, dictionary, password)


def _images(location: Location, dictionary: Dictionary) -> Checked:
    from medspace.adapters.images.source import load  # noqa: PLC0415 - as for files

    return load(location.asset, location.path(location.address), dictionary)


def _fhir(location: Location, dictionary: Dictionary) -> Checked:
    from medspace.adapters.fhir.source import load  # noqa: PLC0415 - as for files

    return load(location.asset, location.path(location.address), location.table, location.path, dictionary)


SCHEMES: Mapping[str, Scheme] = {
    PATH: Scheme(Form.TABLE, _file("")),  # for a file, its first bytes determine its form
    "csv": Scheme(Form.TABLE, _file("csv")),
    "parquet": Scheme(Form.TABLE, _file("parquet")),
    "duckdb": Scheme(Form.TABLE, _file("duckdb")),
    "sqlite": Scheme(Form.TABLE, _file("sqlite")),
    "postgresql": Scheme(Form.TABLE, _postgresql),
    "images": Scheme(Form.IMAGES, _images),
    "fhir": Scheme(Form.TABLE, _fhir),
}


def locate(asset: Asset, path: Callable[[str], Path], schemes: Mapping[str, Scheme]) -> tuple[Scheme, Location]:
    """What opens an asset, and its location. A file whose name looks like an address is a file.

    Raises:
        SchemeUnknownError: nothing here opens addresses with this scheme.
    """
    found = _SCHEME.match(asset.source)
    scheme, address = (found[1], asset.source[found.end() :]) if found else (PATH, asset.source)
    if scheme not in schemes:
        if not is_there(path(asset.source)):
            known = ", ".join(f"{name}:" for name in schemes if name)
            raise SchemeUnknownError(asset=asset.id, scheme=scheme, known=known)
        scheme, address = PATH, asset.source
    return schemes[scheme], Location(asset.id, asset.source, address, path, asset.table, asset.password, asset.csv)
