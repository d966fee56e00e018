"""A day in a configuration file bounds terms and labels; a time without a zone is refused with what to write."""

from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import ManualClock
from medspace.app.node.config import read_config
from medspace.app.node.holdings import prepare
from medspace.app.node.offering.wishes import WishError, Wishes, end, identity
from medspace.core.errors import InvalidInputError
from tests.unit.app.test_holdings import CONFIG, write

REFUSED = r"no time zone: add it, such as Z|such as 2026-12-31, nor an instant"
END = "2027-01-01T00:00:00.000Z"


def prepared(folder, terms="", label=""):
    """The dataset of a configuration with these terms and members of its label, understood."""
    write(folder, [60])
    text = CONFIG.replace('template = "train-only"', f'template = "train-only", terms = {{{terms}}}')
    (folder / "c.toml").write_text(text.replace('regions = ["World"]', f'regions = ["World"]{label}'))
    (found,) = prepare(read_config(folder / "c.toml"))
    return found


@pytest.mark.parametrize("day", ["2026-12-31", '"2026-12-31"', '"2027-01-01T01:00:00+01:00"', "2027-01-01T00:00:00Z"])
def test_a_day_and_the_instant_that_it_ends_with_are_the_same_terms_and_label(tmp_path, day):
    found = prepared(tmp_path, f"until = {day}", f", valid_until = {day}")
    (constraint, _) = found.dataset.offers[0]["permission"][0]["constraint"]
    assert constraint == {"leftOperand": "dateTime", "operator": "lteq", "rightOperand": END}
    assert found.label["valid_until"] == END


@pytest.mark.parametrize("time", ['"2026-12-31T12:00"', "2026-12-31T12:00:00", '"soon"', "12:00:00"])
@pytest.mark.parametrize("name", ["until", "not_before"])
def test_a_time_that_names_no_instant_is_refused_with_how_to_write_it(tmp_path, name, time):
    with pytest.raises(InvalidInputError, match=REFUSED):
        prepared(tmp_path, f"{name} = {time}")


@pytest.mark.parametrize("time", ['"2026-12-31T12:00"', "2026-12-31T12:00:00", '"soon"'])
def test_so_it_is_in_a_label(tmp_path, time):
    with pytest.raises(InvalidInputError, match=REFUSED):
        prepared(tmp_path, label=f", valid_until = {time}")


def test_and_in_what_a_new_connector_is_to_be():
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert end(Wishes("a", 8100, until="2026-12-31"), clock) == "2027-01-01T00:00:00Z"
    assert end(Wishes("a", 8100, until="2026-12-31T12:00+01:00"), clock) == "2026-12-31T11:00:00Z"
    with pytest.raises(WishError, match="has no time zone: add it"):
        end(Wishes("a", 8100, until="2026-12-31T12:00"), clock)


def test_a_title_without_a_letter_of_ours_gives_a_free_name():
    assert identity("Heart patients (2024)") == "Heart-patients-2024"
    assert identity("患者") == "dataset"
    assert identity("随访", {"dataset", "dataset-2"}) == "dataset-3"
    assert identity("Heart", {"Heart"}) == "Heart"  # the same file twice is refused
