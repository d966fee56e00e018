"""A file as hospitals have it: what the program says leads to an offer that starts, and nobody's values are in it."""

import shutil
from pathlib import Path

import pytest

from bench._newcomer import Hour
from bench.hour import REAL, obstacle_of
from medspace.app.features.setup.service import Wishes, set_up
from medspace.app.node.config import read_config
from medspace.app.node.holdings import open_holdings
from medspace.app.node.offering.drafting import DraftOptions, look, report
from tests.e2e.hospital_files import CHINESE, RIGHT, written
from tests.ports import claim
from tests.shared_data import public

SAID = {
    "no_header.csv": DraftOptions("column_1", names=tuple(f"column_{place}" for place in range(1, 6))),
    "dates.csv": DraftOptions("patient", settings=("visit_d.written=DD-MON-YY", "visit_d.century=1930")),
    "total_row.csv": DraftOptions("patient", leave_out_rows=("empty", "total")),
    "clinic.sqlite": DraftOptions("patient", table="labs"),
    "gb18030.csv": DraftOptions(CHINESE[0]),
    "utf16.csv": DraftOptions(CHINESE[0]),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("name", RIGHT)
def test_a_file_is_read_as_what_it_is_and_what_is_written_starts(files, tmp_path, name):
    options = SAID.get(name, DraftOptions("patient"))
    assert RIGHT[name](report(files / name, look(files / name, options), str))
    wishes = Wishes("H", 18_100, offer=files / name, person=options.person, draft=options)
    made = set_up(tmp_path / "h", wishes)
    config = read_config(Path(made["config"]))
    (holding,) = open_holdings(config)
    assert (holding.checked.count, holding.checked.persons) == (made["rows"], made["persons"])
    published = str(holding.dataset.dictionary)
    assert not any(value in published for value in ("p001", "p024", "q007", "Example", "fell"))


@pytest.mark.parametrize("name", ["clinic.sqlite", "no_header.csv", "dates.csv"])
def test_a_newcomer_gets_there_by_what_the_program_says(files, tmp_path, name):
    hour = Hour(tmp_path, tmp_path / name, claim(2)[0])
    shutil.copyfile(files / name, hour.file)
    assert obstacle_of(hour, RIGHT[name]) == "", hour.steps


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_read_too(tmp_path, name):
    file, right = REAL[name]
    source = public(file)
    hour = Hour(tmp_path, tmp_path / source.name, 18_100)
    shutil.copyfile(source, hour.file)
    assert hour.draft() == "", hour.steps
    assert right(hour.report)
