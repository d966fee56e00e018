"""Why an agreement is ended for cause, as both sides keep it."""

from collections.abc import Mapping

from medspace.core.text import msgid

CAUSES: Mapping[str, str] = {
    "terms-broken": msgid("The terms were broken."),
    "duty-not-kept": msgid("A duty was not kept."),
    "law": msgid("The law, or an authority, demands it."),
    "consent": msgid("Consent was withdrawn."),
    "data": msgid("The data are not offered any more."),
    "no-need": msgid("The data are not needed any more."),
    "agreed": msgid("Both sides wished it."),
}
