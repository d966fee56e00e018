"""What the beginning of an asset's address leads to, and how it gets its password."""

import pytest

from medspace.adapters.keys import SecretExposedError
from medspace.adapters.ownership import FileReadableError
from medspace.app.node.aside import RowsChangedError, source_again
from medspace.app.node.config import Asset, read_config
from medspace.app.node.holdings import open_holdings
from medspace.app.node.sources import SCHEMES, SchemeUnknownError, locate
from medspace.core.dictionary import parse
from medspace.core.material import Form
from tests.unit.app.test_holdings import CONFIG, write

ROWS = [60, 70]


def asset(source, **more):
    return Asset(id="clinic", title="Clinic", source=source, dictionary="clinic.toml", label={}, offers=(), **more)


@pytest.mark.parametrize(
    ("source", "scheme", "address"),
    [("rows.csv", "", "rows.csv"), ("/data/rows.csv", "", "/data/rows.csv"), ("csv:rows.csv", "csv", "rows.csv"),
     ("postgresql://u@h/x", "postgresql", "//u@h/x"), ("images:scans", "images", "scans"), ("c:rows", "", "c:rows")],
)  # fmt: skip
def test_an_address_is_found_by_its_scheme(tmp_path, source, scheme, address):
    found, location = locate(asset(source), tmp_path.joinpath, SCHEMES)
    assert found is SCHEMES[scheme]
    assert (location.address, location.source) == (address, source)
    assert found.form is (Form.IMAGES if scheme == "images" else Form.TABLE)


def test_a_scheme_that_nothing_opens_is_refused_without_the_rest_of_the_address(tmp_path):
    with pytest.raises(SchemeUnknownError, match="mysql:") as refused:
        locate(asset("mysql://u:secret@h/x"), tmp_path.joinpath, SCHEMES)
    assert "secret" not in str(refused.value)
    assert "postgresql:" in str(refused.value.advice)


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path):
    (tmp_path / "visits:2026.csv").write_text("age\n")
    found, location = locate(asset("visits:2026.csv"), tmp_path.joinpath, SCHEMES)
    assert (found, location.address) == (SCHEMES[""], "visits:2026.csv")


def with_source(folder, source, more=""):
    write(folder, ROWS)
    text = CONFIG.replace('source = "rows.csv"', f'source = "{source}"{more}')
    (folder / "c.toml").write_text(text)
    return folder / "c.toml"


def test_the_form_that_is_named_must_be_the_form_of_the_file(tmp_path):
    (held,) = open_holdings(read_config(with_source(tmp_path, "csv:rows.csv")))
    assert held.checked.count == len(ROWS)
    with pytest.raises(Exception, match="looks like csv, not like parquet"):
        open_holdings(read_config(with_source(tmp_path, "parquet:rows.csv")))


def test_a_password_in_the_address_must_be_nobody_elses(tmp_path):
    file = with_source(tmp_path, "postgresql://u:secret@127.0.0.1/x")
    file.chmod(0o644)
    with pytest.raises(FileReadableError) as refused:
        read_config(file)
    assert "secret" not in str(refused.value)
    file.chmod(0o600)
    assert read_config(file)


def test_the_file_of_a_password_must_be_nobody_elses(tmp_path):
    pytest.importorskip("psycopg")
    (tmp_path / "secret").write_text("word\n")
    (tmp_path / "secret").chmod(0o644)
    more = ', table = "t", password = "secret"'
    with pytest.raises(SecretExposedError):
        open_holdings(read_config(with_source(tmp_path, "postgresql://u@127.0.0.1:1/x", more)))


def test_a_process_of_a_step_opens_only_what_the_connector_had_opened(tmp_path):
    write(tmp_path, ROWS)
    (held,) = open_holdings(read_config(tmp_path / "c.toml"))
    described = {"id": "clinic", "title": "Clinic", "source": "csv:rows.csv", "dictionary": "clinic.toml"}
    described |= {"label": {}, "offers": []}
    assert source_again(str(tmp_path), described, held.checked.digest).form is Form.TABLE
    (tmp_path / "rows.csv").write_text("age\n61\n70\n")
    with pytest.raises(RowsChangedError):
        source_again(str(tmp_path), described, held.checked.digest)
    assert parse((tmp_path / "clinic.toml").read_text()) == held.checked.dictionary
