"""A first data dictionary of FHIR resources, by a view: they are read as when they are loaded, and then looked at.

The view comes with the program, or a person wrote it (`viewdrafting` proposes one); columns are never guessed.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from medspace.adapters.duckdb import drafting
from medspace.adapters.duckdb.deadline import LOOK_SECONDS
from medspace.adapters.duckdb.drafting import DraftOptions, OpenedTable, PersonColumns, check_no_form
from medspace.adapters.duckdb.errors import TableUnnamedError
from medspace.adapters.duckdb.findings import DataFinding, Draft
from medspace.adapters.duckdb.reading import connect, looking
from medspace.adapters.duckdb.settings import OptionError
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.fhir.ndjson import Reading, types_in
from medspace.adapters.fhir.source import fill, warnings_of
from medspace.adapters.fhir.standard import standard_views, view_of
from medspace.adapters.fhir.views import CompiledView
from medspace.adapters.filenames import absolute
from medspace.core.dictionary import Dictionary
from medspace.core.text import Text, msgid


def draft(path: Path, options: DraftOptions, seconds: float = LOOK_SECONDS) -> Draft:
    """The dictionary that the rows of a view keep to; `options.table` names the view, as `source.load` takes it.

    Raises:
        MissingExtraError: duckdb is not installed.
        ViewError: there is no such view, or it cannot be used.
        ResourcesRefusedError: the resources cannot be used.
        TableUnnamedError: no view was named; with those for the types of resources that are there.
        TableColumnError, TableRefusedError, SettingError: as the draft of a file.
        OptionError: an option is for other tables.
    """
    view = _view(path, options)
    reading = _reading(view, options.person)
    with closing(connect(None)) as duck, looking(duck, view.name, seconds):
        drafted = drafting.draft_of(duck, _opened(view, reading, path, options), options)
    notes = [DataFinding("", "resources", one) for one in warnings_of(reading)]
    return replace(drafted, notes=(*drafted.notes, *notes))


def candidates(path: Path, options: DraftOptions, seconds: float = LOOK_SECONDS) -> PersonColumns:
    """The columns of a view for the question which one names the persons.

    Raises:
        MissingExtraError, ViewError, ResourcesRefusedError, TableUnnamedError, OptionError: as `draft`.
    """
    view = _view(path, options)
    with closing(connect(None)) as duck, looking(duck, view.name, seconds):
        return drafting.candidates_of(duck, _opened(view, _reading(view, ""), path, options))


def _view(path: Path, options: DraftOptions) -> CompiledView:
    check_no_form(options)
    if options.rows_are_persons:
        reason = msgid("rows of FHIR resources are counted by patients, so a column has to name them")
        raise OptionError(option="--rows-are-persons", value="", reason=Text(reason))
    if not options.table:
        there = [kind for kind in types_in(path) if kind in standard_views()]
        raise TableUnnamedError(path.name, there or standard_views())
    return view_of(options.table, absolute(options.table))


def _reading(view: CompiledView, person: str) -> Reading:
    names = [column.name for column in view.columns]
    return Reading(view, person if person in names else "", names)


def _opened(view: CompiledView, reading: Reading, path: Path, options: DraftOptions) -> OpenedTable:
    def filled(duck: Connection, _: Dictionary) -> None:
        fill(duck, path, reading)

    return OpenedTable(view.name, Path(view.name).stem, "fhir", options.table, None, tuple(reading.names), filled)
