"""Why the operating system did not do it, in a sentence that can be said in any language (POSIX.1-2017, errno.h)."""

import errno
import os
import socket
from collections.abc import Mapping

from medspace.core.text import Text, msgid

_WORDS: Mapping[int, str] = {
    errno.ENOENT: msgid("there is no such file or folder"),
    errno.EACCES: msgid("permission denied; its owner can grant it"),
    errno.EPERM: msgid("the operating system does not allow it"),
    errno.EISDIR: msgid("it is a folder"),
    errno.ENOTDIR: msgid("what should be a folder on the way to it is a file"),
    errno.EEXIST: msgid("it is there already"),
    errno.ELOOP: msgid("its links lead in a circle, or it is a link where none is followed"),
    errno.ENAMETOOLONG: msgid("its name is too long"),
    errno.ENOSPC: msgid("the disk is full"),
    errno.EDQUOT: msgid("the quota of the disk is used up"),
    errno.EROFS: msgid("the disk can only be read"),
    errno.EIO: msgid("the disk reported an error"),
    errno.EMFILE: msgid("too many files are open"),
    errno.ENFILE: msgid("too many files are open"),
    errno.ENOMEM: msgid("the memory is used up"),
    errno.ETXTBSY: msgid("it is being used by another program"),
    errno.EBUSY: msgid("it is being used by another program"),
    errno.EADDRINUSE: msgid("something else listens there already"),
    errno.EADDRNOTAVAIL: msgid("this machine does not have that address"),
    errno.ECONNREFUSED: msgid("nothing listens there"),
    errno.ECONNRESET: msgid("the connection was broken off"),
    errno.EPIPE: msgid("the connection was broken off"),
    errno.ECONNABORTED: msgid("the connection was broken off"),
    errno.ETIMEDOUT: msgid("no answer came in time"),
    errno.EHOSTUNREACH: msgid("there is no way to that machine"),
    errno.ENETUNREACH: msgid("there is no way to that network"),
    errno.ENETDOWN: msgid("the network is down"),
}

_LOOKUP: Mapping[int, str] = {
    socket.EAI_NONAME: msgid("there is no machine of that name"),
    socket.EAI_AGAIN: msgid("the name cannot be looked up now"),
}


def why(error: OSError) -> Text:
    """What kept the operating system from doing it; the name of a file is not part of it."""
    number = error.errno or 0
    if isinstance(error, socket.gaierror) and number in _LOOKUP:  # its numbers are not those of errno.h
        return Text(_LOOKUP[number])
    return because(number, error.strerror or "")


def because(number: int, said: str = "") -> Text:
    """The same by the number of the error; what has no sentence here is told in the system's own words."""
    words = _WORDS.get(number)
    if words is not None:
        return Text(words)
    said = said or (os.strerror(number) if number > 0 else "")
    return (
        Text(msgid("the operating system says: {words}"), {"words": said})
        if said
        else Text(msgid("the operating system gives no reason"))
    )
