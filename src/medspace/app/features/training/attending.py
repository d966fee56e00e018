"""Which sites were asked in a run, which took part, and why others did not: for people."""

from collections.abc import Iterator, Sequence

from medspace.core.canonical import JsonObject
from medspace.core.text import Fact, Text, counted, msgid

LOST = frozenset({"refused", "away"})
MISSING = LOST | {"waited_for"}
_SENTENCES = {
    "waited_for": msgid("  - waiting for {name}, {seconds_left} s left: {sentence}"),
    "refused": msgid("  - {name} did not take part ({code}): {sentence}"),
    "away": msgid("  - {name} did not take part ({code}): {sentence}"),
    "left": msgid("  - {name} left during question {question} ({code}): {sentence}"),
    "took_part": msgid("  - {name} left in round {round}, before the model was measured ({code}): {sentence}"),
}


def share(sites: Sequence[JsonObject]) -> str:
    """How many of the sites asked take part, such as 2/3."""
    return f"{len(sites) - sum(one['status'] in MISSING for one in sites)}/{len(sites)}"


def told(sites: Sequence[JsonObject]) -> Iterator[Text]:
    """How many were asked and take part, then each one that does not, with its reason."""
    missing = [one for one in sites if one["status"] in MISSING]
    asked = counted(len(sites), msgid("{count} hospital"), msgid("{count} hospitals"))
    facts: dict[str, Fact | Text] = {"asked": asked, "answered": len(sites) - len(missing)}
    yield Text(msgid("Asked: {asked}. Took part: {answered}."), facts)
    for one in sites:
        if one["status"] in MISSING or one["code"] is not None:
            yield standing(one)


def slowest(sites: Sequence[JsonObject]) -> Text | None:
    """The progress of the slowest hospital in a long step, if it reports one."""
    working = [one for one in sites if one.get("percent") is not None]
    if not working:
        return None
    one = min(working, key=lambda site: int(site["percent"]))
    facts: dict[str, Fact | Text] = {"name": str(one["name"]), "percent": int(one["percent"])}
    if one["seconds_left"] is None:
        return Text(msgid("{name} at {percent} %"), facts)
    return Text(msgid("{name} at {percent} %, about {seconds} s left"), facts | {"seconds": int(one["seconds_left"])})


def standing(site: JsonObject) -> Text:
    """Why one hospital is missing, or that it left early."""
    named = ("name", "code", "sentence", "round", "question", "seconds_left")
    left = site["status"] in LOST and site.get("question") is not None
    said = _SENTENCES["left" if left else site["status"]]
    return Text(said, {name: str(site.get(name)) for name in named})
