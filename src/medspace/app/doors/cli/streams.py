"""Output and arguments on systems set to ASCII or to another encoding that lacks characters.

LC_ALL=C or POSIX says nothing about the encoding, which nowadays is UTF-8 (PEP 540): Python is restarted in UTF-8
mode, unless that mode was set explicitly. In any other encoding, such as GBK, unsupported characters are escaped as
in JSON, which programs can decode and people can still tell apart.
"""

import codecs
import io
import os
import sys

ESCAPED = "medspace.escaped"


def speak_utf8() -> None:
    """Restart this process in UTF-8 mode where file names and arguments could be limited to ASCII."""
    ascii_only = codecs.lookup(sys.getfilesystemencoding()).name == "ascii"
    if ascii_only and not sys.flags.utf8_mode and len(sys.orig_argv) > 1:
        given = [os.fsencode(word) for word in sys.orig_argv[1:]]
        os.execv(sys.executable, [os.fsencode(sys.executable), b"-X", b"utf8", *given])  # noqa: S606 - itself


def escape_what_cannot_be_shown() -> None:
    """Make sure that unsupported characters never prevent a sentence from being written."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().replace("-", "").startswith("utf"):
            stream.reconfigure(errors=ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Each character as the code units of UTF-16 in hexadecimal digits (RFC 8259 7)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = (units[at : at + 2].hex() for at in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error(ESCAPED, _escape)
