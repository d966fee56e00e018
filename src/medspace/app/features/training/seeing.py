"""Who saw what of a training: for each protection a table of parties, in plain words."""

from collections.abc import Mapping

from medspace.app.doors.views import Speak
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.text import Text, msgid
from medspace.runs.model import Lineage

NOTHING = msgid("nothing at all")
_OWN = msgid("its own rows")
_MODEL = msgid("the model")
_HOSPITAL = msgid("each hospital")
_LEADER, _USER = msgid("the coordinator ({name})"), msgid("the user")
_AS_USER = msgid("the user, who led the training")
_SEALED = msgid("which hospitals answered, and sealed messages that it cannot open")
# Of each protection: what a hospital saw of the others, what the coordinator saw, what the user saw.
_SEEN: Mapping[str, tuple[str, str, str]] = {
    COORDINATOR_SEES_SUMS: (
        msgid("the states of the model that it was asked about"),
        msgid("the sums of each hospital, one by one; no rows"),
        _MODEL,
    ),
    MASKED_SUMS: (msgid("the sums over all hospitals together"), _SEALED, _MODEL),
    MASKED_GROUPS: (msgid("the sums over each group of hospitals"), _SEALED, _MODEL),
    MASKED_WEIGHTS: (
        msgid("the sums over all hospitals together"),
        msgid("the sums over all hospitals together; it could choose weights"),
        _MODEL,
    ),
}


def who_saw_what(lineage: Lineage, names: Mapping[str, str], speak: Speak) -> list[JsonObject]:
    """Each party of a training, and what it saw; of a protection that is not known here it says so."""
    unknown = msgid("not known: this version does not know how it was protected")
    others, leader, user = _SEEN.get(lineage.protection, (unknown, unknown, unknown))
    name = names.get(lineage.coordinator, lineage.coordinator)
    rows: list[tuple[Text, list[str]]] = [(Text(_HOSPITAL), [_OWN, others])]
    if lineage.coordinator:
        rows += [(Text(_LEADER, {"name": name}), [leader]), (Text(_USER), [user])]
    else:
        rows.append((Text(_AS_USER), [leader, user]))
    rows.append((Text(msgid("everybody else")), [NOTHING]))
    return [{"who": who.render(speak), "saw": [speak(one) for one in saw]} for who, saw in rows]
