"""Sentences in the reader's language: gettext catalogues for `core.text`.

A msgid is the English sentence itself, so English needs no catalogue; Chinese is complete (a test proves it). `make
messages` builds the catalogues from the `msgid("...")` calls in the sources.
"""

import gettext
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

ENGLISH: Final = "en"
CHINESE: Final = "zh_Hans"
LANGUAGES: Final = (ENGLISH, CHINESE)
DOMAIN = "medspace"


def spoken_language(asked: str = "", environment: Mapping[str, str] | None = None) -> str:
    """The language to use: as requested, else MEDSPACE_LANG, else the system's (LC_ALL, LC_MESSAGES, LANG).

    The first of them that is set decides; anything but Chinese means English.
    """
    environment = os.environ if environment is None else environment
    wishes = (asked, *(environment.get(name, "") for name in ("MEDSPACE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")))
    return _known(next((wish for wish in wishes if wish), ""))


def header_language(header: str) -> str:
    """The language that an Accept-Language header requests (RFC 9110 12.5.4); English where it names none of ours."""
    wishes = [_weighted(part) for part in header.split(",")[:20]]
    for weight, tag in sorted(wishes, key=lambda wish: -wish[0]):
        if weight > 0 and tag.replace("_", "-").partition("-")[0] in ("en", "zh"):
            return _known(tag)
    return ENGLISH


def _weighted(part: str) -> tuple[float, str]:
    tag, _, weight = part.partition(";")
    try:
        return (float(weight.strip().removeprefix("q=")) if weight else 1.0, tag.strip().lower())
    except ValueError:
        return (0.0, "")


_CHINESE = ("cn", "chinese", "中文", "汉语")  # how people call it beside its code
_ENGLISH = ("english", "c", "posix")


def is_language(wish: str) -> bool:
    """Whether a word names a language that sentences are written in, as any system does (`zh`, `en_GB.UTF-8`)."""
    word = re.split("[-_.@]", wish.lower())[0]
    return word in ("en", "zh", *_CHINESE, *_ENGLISH)


def _known(wish: str) -> str:
    word = wish.lower()
    return CHINESE if word.startswith("zh") or re.split("[-_.@]", word)[0] in _CHINESE else ENGLISH


@cache
def speaker(language: str) -> Callable[[str], str]:
    """The function that translates a msgid into a language; a sentence without a translation stays English."""
    if language != CHINESE:
        return lambda sentence: sentence
    catalogue = files("medspace.app") / "locale" / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.mo"
    try:
        with catalogue.open("rb") as file:
            translations = gettext.GNUTranslations(file)
    except FileNotFoundError:  # a source tree whose catalogues have not been compiled yet
        return lambda sentence: sentence
    # The empty msgid is the catalogue's header, not a sentence.
    return lambda sentence: translations.gettext(sentence) if sentence else ""
