"""Codes as people read them where they do not read English: states, roles, kinds of use, purposes, regions, types.

English shows the codes themselves, as `--json` does in every language.
"""

from typing import Final

from medspace.app.node.language import ENGLISH, speaker
from medspace.core.text import msgid
from medspace.policy import purposes

_CODES: Final = frozenset(
    (
        # negotiations and transfers (DSP 2025-1), and whose move it is
        msgid("INITIAL"),
        msgid("REQUESTED"),
        msgid("OFFERED"),
        msgid("ACCEPTED"),
        msgid("AGREED"),
        msgid("VERIFIED"),
        msgid("FINALIZED"),
        msgid("STARTED"),
        msgid("SUSPENDED"),
        msgid("COMPLETED"),
        msgid("TERMINATED"),
        msgid("provider"),
        msgid("consumer"),
        msgid("either"),
        msgid("us"),
        msgid("peer"),
        # runs
        msgid("created"),
        msgid("running"),
        msgid("finished"),
        msgid("failed"),
        msgid("cancelled"),
        # assets
        msgid("opening"),
        msgid("open"),
        msgid("away"),
        msgid("refused"),
        # roles of members
        msgid("authority"),
        msgid("holder"),
        msgid("user"),
        msgid("coordinator"),
        # roles of accounts
        msgid("steward"),
        msgid("checker"),
        msgid("auditor"),
        msgid("patient"),
        msgid("owner"),
        # kinds of use, by their format
        msgid("medspace:train"),
        msgid("medspace:statistics"),
        msgid("medspace:score"),
        msgid("medspace:synthesize"),
        msgid("medspace:annotate"),
        msgid("HttpData-PULL"),
        # regions that are no country
        msgid("World"),
        msgid("EU"),
        msgid("EEA"),
    )
)
TYPES: Final = {
    "number": msgid("number"),
    "integer": msgid("whole number"),
    "code": msgid("code"),
    "flag": msgid("yes or no"),
    "date": msgid("date"),
}
_BESIDE = msgid("{name} ({code})")


def named(language: str, code: str) -> str:
    """A state, role, kind of use, purpose or region in words; what is none of them stays as it is."""
    speak = speaker(language)
    if language != ENGLISH and purposes.canonical(code) is not None:
        return purposes.words(code).render(speak)
    return speak(TYPES.get(code, code)) if language != ENGLISH and (code in _CODES or code in TYPES) else code


def typed(language: str, code: str) -> str:
    """The same, with the code beside it that people type to choose it."""
    name = named(language, code)
    return name if name == code else speaker(language)(_BESIDE).format(name=name, code=code)
