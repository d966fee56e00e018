"""Logging as a connector sets it up, for a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from medspace.adapters.logs import ROOT, configure_logs


@contextmanager
def as_a_connector_logs() -> Iterator[logging.Handler]:
    """Everything is logged as JSON by this handler; afterwards logging is as it was, for the tests that come."""
    loggers = [logging.getLogger(), logging.getLogger(ROOT)]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    configure_logs("debug", "json")
    (handler,) = loggers[0].handlers
    try:
        yield handler
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
