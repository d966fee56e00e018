"""Structured logs: one JSON object (or one readable line) per event, on standard error.

What may be logged: codes, identifiers of processes, DIDs, numbers. Never message bodies, tokens, rows or answers.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = frozenset({"authorization", "token", "password", "secret", "key", "data_address", "body"})


def configure_logs(level: str = "info", form: str = "json") -> None:
    """Set up logging for the process; `form` is `json` or `text`."""
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _without_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in SECRET_NAMES & event.keys():
        event[name] = "[hidden]"
    return event


def logger(**context: str) -> Any:  # noqa: ANN401 - structlog's loggers have no common type
    """A logger that adds the context to each event."""
    return structlog.get_logger(**context)
