"""What others cause fills no disk: one line of a kind and minute, with the number of those that were left out."""

import io
import json
import logging

import pytest

from medspace.adapters.logs import configure_logs, logger
from medspace.adapters.quiet import MOST_KINDS, Quiet


class Lines:
    """What a log with a given filter writes, and a clock for it."""

    def __init__(self, every=60.0):
        self.now, self.out = 0.0, io.StringIO()
        handler = logging.StreamHandler(self.out)
        handler.setFormatter(Plain())
        handler.addFilter(Quiet(every, now=lambda: self.now, tell=handler.handle))
        self.log = logging.Logger("flooded")  # noqa: LOG001 - one that no other test knows
        self.log.addHandler(handler)

    @property
    def written(self):
        return self.out.getvalue().splitlines()


class Plain(logging.Formatter):
    def format(self, record):
        kind = getattr(record, "facts", {}).get("kind", "")
        return f"{record.getMessage().splitlines()[0]}{kind} +{getattr(record, 'omitted', 0)}"


FLOOD = "log flood: lines written for 15,000 of one kind in 150 s"


def flooded(lines):
    for second in range(150):
        lines.now = float(second)
        for _ in range(100):
            lines.log.warning("full")
    return len(lines.written)


def test_a_flood_of_one_kind_is_one_line_a_minute(attack_report):
    lines = Lines()
    attack_report(FLOOD, got=flooded(lines), of=15_000, unit="lines")
    assert lines.written == ["full +0", "full +5999", "full +5999"]


def test_without_the_filter_every_line_is_written(attack_report):
    written = flooded(Lines(every=0.0))
    attack_report(FLOOD, control=written, of=15_000, unit="lines")
    assert written == 15_000


def test_other_kinds_are_written_and_tell_what_was_left_out():
    lines = Lines()
    for _ in range(5):
        lines.log.warning("full")
    lines.log.warning("failed", extra={"facts": {"code": "a"}})
    lines.log.warning("failed", extra={"facts": {"code": "b"}})
    lines.now = 61.0
    lines.log.error("other")
    assert lines.written == ["full +0", "failed +0", "failed +0", "log.omittedfull +4", "other +0"]


def test_what_is_no_warning_is_our_own_doing():
    lines = Lines()
    for _ in range(5):
        lines.log.info("served")
    assert len(lines.written) == 5


def test_endless_kinds_share_a_line():
    lines = Lines()
    for number in range(10 * MOST_KINDS):
        lines.log.warning("kind " + str(number))  # noqa: G003 - a kind for each number
    assert len(lines.written) == MOST_KINDS + 1


def test_traces_of_one_kind_are_one_trace():
    lines = Lines()
    for number in range(10):
        lines.log.error("Exception in ASGI application\nof %s", number, exc_info=OSError(number))
    assert len(lines.written) == 1


@pytest.fixture
def root():
    log = logging.getLogger()
    handlers, level = log.handlers[:], log.level
    yield log
    log.handlers[:], log.level = handlers, level


def test_the_log_of_a_connector_is_filtered_so(root, capsys):
    configure_logs()
    for _ in range(10):
        logger().warning("listener.full", places=3)
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    told = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert told == ["listener.full", "Invalid HTTP request received."]
