"""Sentences in the language of the reader: gettext catalogues for `core.text`.

A msgid is the English sentence itself, so English needs no catalogue; Chinese is complete (a test proves it). The
catalogues are made by `make messages` out of the `msgid("...")` of the sources.
"""

import gettext
import os
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

ENGLISH: Final = "en"
CHINESE: Final = "zh_Hans"
LANGUAGES: Final = (ENGLISH, CHINESE)
DOMAIN = "medspace"


def spoken_language(asked: str = "", environment: Mapping[str, str] | None = None) -> str:
    """The language to speak: what was asked for, else MEDSPACE_LANG, else the system's (LC_ALL, LC_MESSAGES, LANG).

    The first of them that is set decides; what is not Chinese is answered in English.
    """
    environment = os.environ if environment is None else environment
    wishes = (asked, *(environment.get(name, "") for name in ("MEDSPACE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")))
    return _known(next((wish for wish in wishes if wish), ""))


def header_language(header: str) -> str:
    """The language that an Accept-Language header asks for (RFC 9110 12.5.4); English where it names none of ours."""
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


def _known(wish: str) -> str:
    return CHINESE if wish.lower().startswith("zh") else ENGLISH


@cache
def speaker(language: str) -> Callable[[str], str]:
    """The function that says a msgid in a language; a sentence without translation stays English."""
    if language != CHINESE:
        return lambda sentence: sentence
    catalogue = files("medspace.app") / "locale" / CHINESE / "LC_MESSAGES" / f"{DOMAIN}.mo"
    try:
        with catalogue.open("rb") as file:
            translations = gettext.GNUTranslations(file)
    except FileNotFoundError:  # a source tree whose catalogues were not compiled yet
        return lambda sentence: sentence
    # The empty msgid is the catalogue's header, which is no sentence.
    return lambda sentence: translations.gettext(sentence) if sentence else ""
