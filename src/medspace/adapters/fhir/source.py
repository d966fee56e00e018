"""FHIR resources of NDJSON files as a table, by a view, read once and checked as files are.

`fhir:folder` is the address; the asset's `table` names the view: a type of resource (`Observation`), or a file with a
ViewDefinition. The dictionary names the column of the persons, and that column must be the patient's id.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from medspace.adapters.duckdb.publishing import CheckedTable
from medspace.adapters.duckdb.reading import fill_raw, match
from medspace.adapters.duckdb.source import load_from
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.fhir.ndjson import Reading, chunks, told
from medspace.adapters.fhir.standard import view_of
from medspace.adapters.fhir.views import CompiledView
from medspace.core.dictionary import Dictionary, DictionaryError
from medspace.core.text import Text, msgid


def load(asset: str, path: Path, view: str, place: Callable[[str], Path], dictionary: Dictionary) -> CheckedTable:
    """Read and check the resources that a view makes a table of; `place` says where a file of the configuration is.

    Raises:
        MissingExtraError: duckdb is not installed.
        ViewError: there is no such view, or it cannot be used.
        ResourcesRefusedError: the files cannot be used. Nothing of them stays loaded.
        DictionaryError: the dictionary names no person.
        TableRefusedError: the rows do not keep to the dictionary.
    """
    found = view_of(view, place(view))
    reading = read_by(found, dictionary)
    loaded = load_from(lambda duck: _fill(duck, path, reading, dictionary), found.name, dictionary)
    return CheckedTable(asset, loaded, warnings_of(reading))


def read_by(view: CompiledView, dictionary: Dictionary) -> Reading:
    """How the rows of a view are read for a dictionary.

    Raises:
        DictionaryError: it names no person.
        TableRefusedError: its columns are not those of the view.
    """
    match(view.name, [column.name for column in view.columns], dictionary)
    if dictionary.person is None:
        reason = msgid(
            "rows of FHIR resources are counted by patients: name the column of the patient's id as `person`"
        )
        raise DictionaryError(reason=Text(reason))
    return Reading(view, dictionary.person, [column.name for column in dictionary.columns])


def fill(duck: Connection, path: Path, reading: Reading) -> None:
    """Fill the table `raw` of DuckDB with the rows.

    Raises:
        ResourcesRefusedError: as `load`.
    """
    fill_raw(duck, len(reading.names), chunks(path, reading))


def _fill(duck: Connection, path: Path, reading: Reading, _: Dictionary) -> Sequence[str]:
    fill(duck, path, reading)
    return ()


def warnings_of(reading: Reading) -> tuple[Text, ...]:
    """What the holder should know of what was read."""
    if reading.patients:
        return told(reading.left_out)
    alone = Text(msgid("there are no Patient resources beside: whether references lead somewhere was not checked"))
    return (*told(reading.left_out), alone)
