"""Who saw what of a training: for each protection a table of parties, in plain words."""

from collections.abc import Collection, Mapping, Sequence

from medspace.app.doors.views import Speak
from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.text import Text, msgid
from medspace.runs import manifest as manifests
from medspace.runs.model import Lineage

NOTHING = msgid("nothing at all")
_OWN = msgid("its own rows")
_MODEL = msgid("the model")
_HOSPITAL = msgid("each hospital")
_HOSPITALS = msgid("each hospital ({names})")
_OWN_QUALITY = msgid(
    "how many patients and rows these hospitals have, and how good the model is at each alone: {names}"
)
_MANIFEST = msgid(
    "The manifest of the run, which its user signed and every hospital had before it answered: {hospitals} hospitals "
    "have a seat, and at least {least} must take part."
)
_COLLUDERS = msgid(
    "If as many as {colluders} of the hospitals told one another everything, they would learn no more than the sum "
    "of the others."
)
MOST_NAMED = 12  # hospitals
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


def who_saw_what(
    lineage: Lineage, names: Mapping[str, str], speak: Speak, own: Collection[str] = ()
) -> list[JsonObject]:
    """Each party of a training, and what it saw; of a protection that is not known here it says so.

    `own` are the hospitals that let out how good the model is at them alone.
    """
    unknown = msgid("not known: this version does not know how it was protected")
    others, leader, user = _SEEN.get(lineage.protection, (unknown, unknown, unknown))
    name = names.get(lineage.coordinator, lineage.coordinator)
    told: list[str | Text] = [user]
    if own and lineage.protection in MASKED:
        told.append(Text(_OWN_QUALITY, {"names": _named(own, names)}))
    hospitals = Text(_HOSPITALS, {"names": _named(lineage.sites, names)}) if lineage.sites else Text(_HOSPITAL)
    rows: list[tuple[Text, Sequence[str | Text]]] = [(hospitals, [_OWN, others])]
    if lineage.coordinator:
        rows += [(Text(_LEADER, {"name": name}), [leader]), (Text(_USER), told)]
    else:
        rows.append((Text(_AS_USER), [leader, *told]))
    rows.append((Text(msgid("everybody else")), [NOTHING]))
    return [{"who": who.render(speak), "saw": [_text(one).render(speak) for one in saw]} for who, saw in rows]


def promised(lineage: Lineage, speak: Speak) -> list[str]:
    """What the manifest of the run, which all its hospitals saw before they answered, promises of sums."""
    if not lineage.manifest:
        return []
    signed = manifests.kept(lineage.manifest)
    facts = {"hospitals": len(signed.seats), "least": signed.min_sites, "colluders": signed.colluders or 0}
    said = [Text(_MANIFEST, facts)]
    if signed.colluders and lineage.protection in MASKED:
        said.append(Text(_COLLUDERS, facts))
    return [one.render(speak) for one in said]


def _text(said: str | Text) -> Text:
    return said if isinstance(said, Text) else Text(said)


def _named(sites: Collection[str], names: Mapping[str, str]) -> str:
    shown = [names.get(site, site) for site in sorted(sites)]
    more = f" … (+{len(shown) - MOST_NAMED})" if len(shown) > MOST_NAMED else ""
    return ", ".join(shown[:MOST_NAMED]) + more
