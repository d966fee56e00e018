"""Structured logs: one JSON object (or one readable line) per event, on standard error.

What may be logged: codes, identifiers of processes, DIDs, numbers. Never message bodies, tokens, rows or answers.
"""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from medspace.adapters.quiet import Quiet

SECRET_NAMES = frozenset({"authorization", "token", "password", "secret", "key", "data_address", "body"})
HIDDEN = "[hidden]"
ROOT = "medspace"


class EventLogger:
    """Logs events with facts; each logger adds its context to all of its events."""

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = dict(context)
        self._logger = logging.getLogger(ROOT)

    def info(self, event: str, **facts: object) -> None:
        """Something happened."""
        self._log(logging.INFO, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Something is not as it should be; it goes on."""
        self._log(logging.WARNING, event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Something failed."""
        self._log(logging.ERROR, event, facts)

    def _log(self, level: int, event: str, facts: Mapping[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"facts": {**self._context, **facts}})


class _Formatter(logging.Formatter):
    """One event as JSON or as text; traces of unexpected errors are kept."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._as_json = form == "json"

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **_without_secrets(getattr(record, "facts", {})),
        }
        if getattr(record, "omitted", 0):
            event["omitted"] = record.omitted  # type: ignore[attr-defined]  # of this kind, since the last one
        if record.exc_info:
            event["trace"] = self.formatException(record.exc_info)
        if self._as_json:
            return json.dumps(event, default=str, ensure_ascii=False)
        return " ".join(
            str(value) if name in ("time", "level", "event") else f"{name}={value}" for name, value in event.items()
        )


def configure_logs(level: Literal["debug", "info", "warning", "error"] = "info", form: str = "json") -> None:
    """Set up logging for the process; `form` is `json` or `text`. Other libraries' warnings come the same way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(form))
    handler.addFilter(Quiet(tell=handler.handle))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(logging.getLevelNamesMapping()[level.upper()])


def _without_secrets(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: HIDDEN if name in SECRET_NAMES else value for name, value in facts.items()}


def logger(**context: object) -> EventLogger:
    """A logger that adds the context to each event."""
    return EventLogger(context)
