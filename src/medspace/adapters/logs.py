"""Structured logs: one JSON object (or one readable line) per event, on standard error or in a file of bounded size.

What may be logged: codes, identifiers of processes, DIDs, numbers. Never message bodies, tokens, rows or answers.
"""

import errno
import json
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

from medspace.adapters.oswords import why
from medspace.adapters.quiet import Quiet
from medspace.core.errors import InvalidInputError
from medspace.core.text import msgid

SECRET_NAMES = frozenset({"authorization", "token", "password", "secret", "key", "data_address", "body"})
HIDDEN = "[hidden]"
ROOT = "medspace"


class LogFileError(InvalidInputError):
    """The file of the log cannot be written."""

    code = "log.file"
    sentence = msgid("The log cannot be written to {file}: {reason}.")
    next_step = msgid("Name a file under [log] in a folder that you may write to, or none: the log goes to stderr.")


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where the log is kept: at most `size` bytes a file, and `keep` files that were put aside."""

    path: Path
    size: int
    keep: int


class RotatingFile(RotatingFileHandler):
    """A log that only its owner reads; SIGHUP has it opened anew, for whoever else moves it away."""

    def __init__(self, file: LogFile) -> None:
        self._moved = False
        super().__init__(file.path, maxBytes=file.size, backupCount=file.keep, encoding="utf-8")

    def doRollover(self) -> None:  # noqa: N802 - the name in the standard library
        """Put the file aside, or away where none is kept: what is added to would grow without end."""
        if self.backupCount:
            super().doRollover()
            return
        Path(self.baseFilename).unlink(missing_ok=True)
        self._again()

    def reopen(self, *_: object) -> None:
        """From the next event on, go on in the file of the name, which may be another one by now."""
        self._moved = True  # a signal may come in the middle of a line

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event."""
        if self._moved:
            self._moved = False
            self._again()
        super().emit(record)

    def _again(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream = self._open()

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        handle = os.open(self.baseFilename, flags, 0o600)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        os.fchmod(handle, 0o600)  # an older one may have been open to others
        return open(handle, "a", encoding="utf-8")  # noqa: PTH123 - by descriptor, with its mode from the start


def _opened(file: LogFile) -> logging.Handler:
    try:
        file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFile(file)
    except OSError as error:
        raise LogFileError(file=str(file.path), reason=why(error)) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, handler.reopen)
    return handler


class EventLogger:
    """Logs events with facts; each logger adds its context to all of its events."""

    def __init__(self, context: Mapping[str, object]) -> None:
        self._context = dict(context)
        self._logger = logging.getLogger(ROOT)

    def info(self, event: str, **facts: object) -> None:
        """Something happened."""
        self._log(logging.INFO, event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Something is wrong, but work continues."""
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


def configure_logs(
    level: Literal["debug", "info", "warning", "error"] = "info", form: str = "json", file: LogFile | None = None
) -> None:
    """Set up logging for the process; `form` is `json` or `text`. Other libraries' warnings come the same way.

    Raises:
        LogFileError: the file cannot be written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr) if file is None else _opened(file)
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
