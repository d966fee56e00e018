"""A first data dictionary of a PostgreSQL table: it is read as when it is loaded, and looked at as files are."""

from contextlib import closing

from medspace.adapters.duckdb import drafting
from medspace.adapters.duckdb.deadline import LOOK_SECONDS
from medspace.adapters.duckdb.drafting import DraftOptions, OpenedTable, PersonColumns, check_no_form
from medspace.adapters.duckdb.findings import Draft
from medspace.adapters.duckdb.reading import connect, looking
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.postgresql.table import TablePlace, filled, names_of, placed
from medspace.core.dictionary import Dictionary


def draft(address: str, options: DraftOptions, password: str = "", seconds: float = LOOK_SECONDS) -> Draft:
    """The dictionary that the rows of a table keep to; `options.table` names it, as `load` takes it.

    Raises:
        MissingExtraError, TableAddressError, ServerAwayError: as `load`.
        TableUnreadableError, TableRefusedError, SettingError: as the draft of a file.
    """
    check_no_form(options)
    place = placed(address, options.table, password)
    with closing(connect(None)) as duck, looking(duck, place.shown, seconds):
        return drafting.draft_of(duck, _opened(place, options), options)


def candidates(
    address: str, options: DraftOptions, password: str = "", seconds: float = LOOK_SECONDS
) -> PersonColumns:
    """The columns of a table for the question which one names the persons.

    Raises:
        MissingExtraError, TableAddressError, ServerAwayError, TableUnreadableError: as `draft`.
    """
    check_no_form(options)
    place = placed(address, options.table, password)
    with closing(connect(None)) as duck, looking(duck, place.shown, seconds):
        return drafting.candidates_of(duck, _opened(place, options))


def _opened(place: TablePlace, options: DraftOptions) -> OpenedTable:
    def fill(duck: Connection, dictionary: Dictionary) -> None:
        filled(duck, place, dictionary)

    return OpenedTable(place.shown, place.name, "postgresql", options.table, None, tuple(names_of(place)), fill)
