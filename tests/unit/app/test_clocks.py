"""How far our clock is from those of others."""

from datetime import UTC, datetime, timedelta

import pytest

from medspace.adapters.http.peers import http_date
from medspace.app.compose.doctor import examine_config
from medspace.app.node import clocks
from tests.e2e.space import hospital, staged

T0 = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("began", "took", "seconds"),
    [
        (0.5, 0.0, 0.0),
        (-1.0, 3.0, 0.0),  # it lies within the time of the call
        (20.5, 1.0, 20.0),
        (-20.5, 1.0, -20.0),
    ],
)
def test_how_far_we_are_ahead(began, took, seconds):
    start = T0 + timedelta(seconds=began)
    assert clocks.ahead(start, start + timedelta(seconds=took), DATE) == pytest.approx(seconds)


@pytest.mark.parametrize("date", ["", "yesterday", "x" * 1000, "Thu, 99 Jan 2026 12:00:00 GMT", "12:00"])
def test_what_is_no_date_tells_nothing(date):
    assert http_date(date) is None
    assert clocks.ahead(T0, T0, date) is None


class Shifted:
    """The operating system's clock, set wrongly."""

    def __init__(self, seconds):
        self.by = timedelta(seconds=seconds)

    def now(self):
        return datetime.now(UTC) + self.by

    async def sleep(self, seconds):
        raise AssertionError


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("clocks")) as stage:
        stage.add("authority", hospital(1))
        stage.add("user")
        stage.open()
        yield stage


@pytest.mark.parametrize(
    ("seconds", "ok", "words"),
    [
        (0, True, "agrees with 1"),
        (20, False, "s ahead of that of did:web"),
        (-3600, False, "s behind that of did:web"),
    ],
)
def test_the_doctor_compares_the_clock_with_that_of_the_authority(stage, seconds, ok, words):
    node = stage.nodes["user"]
    nobody = "did:web:127.0.0.1%3A1"
    found = examine_config(node.connector.config, "en", [node.did, nobody], Shifted(seconds))
    (check,) = [check for check in found["checks"] if check["name"] == "clock"]
    assert check["ok"] is ok
    assert words in check["sentence"]
    assert bool(check["next_step"]) is not ok


def test_an_authority_alone_has_nobody_to_ask(stage):
    found = examine_config(stage.nodes["authority"].connector.config, "en")
    (check,) = [check for check in found["checks"] if check["name"] == "clock"]
    assert (check["ok"], check["sentence"]) == (True, "No other clock could be asked.")
