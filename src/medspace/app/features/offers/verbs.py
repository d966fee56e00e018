"""Commands for one's own offers: offers, offers reload, offer FILE, offer change, offer withdraw, offer publish."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from medspace.adapters.filenames import absolute
from medspace.app.doors.cli import file_findings
from medspace.app.doors.cli.confirming import LoosenOption, YesOption, insist, insist_loosening, tell_looser
from medspace.app.doors.cli.file_options import with_file_options
from medspace.app.doors.cli.offer_options import (
    MOST,
    MOST_SITES,
    CountOption,
    HolderOption,
    MinSitesOption,
    PublishOption,
    QuestionsOption,
    UntilOption,
    published,
)
from medspace.app.doors.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LanguageOption, following
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.session import session
from medspace.app.features.offers import client
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import bound_shown
from medspace.core.text import Text, counted, msgid

if TYPE_CHECKING:
    from medspace.adapters.duckdb.settings import DraftOptions
    from medspace.app.node.offering.origins import Origin


class FileFirst(TyperGroup):
    """`medspace offer FILE` is short for `medspace offer add FILE`: whatever is not a subcommand names a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's own context
        """Parse the arguments, with `add` inserted where the first is not a subcommand."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["add", *args]
        return list(super().parse_args(ctx, args))


listing = typer.Typer(help="List your offers, or put those of the configuration in force.")
offering = typer.Typer(cls=FileFirst, help="Offer one more file, change or withdraw an offer.", no_args_is_help=True)

TermsOption = Annotated[str, typer.Option("--terms", help="On the terms of this template (`medspace terms`).")]
DatasetArgument = Annotated[str, typer.Argument(help="One of your own datasets.")]


@listing.callback(invoke_without_command=True)
def offers(
    ctx: typer.Context, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = ""
) -> None:
    """List your offers: formats, contracts in words, agreements and uses under each, since when."""
    if ctx.invoked_subcommand is None:
        with session(client, config, json=json, language=lang) as (space, screen):
            listed = space.offers()
            title = counted(len(listed), msgid("{count} dataset"), msgid("{count} datasets"))
            screen.show({"offers": listed}, lambda: screen.blocks(title, [_block(screen, one) for one in listed]))


@listing.command("reload")
def reload(
    loosen: LoosenOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Put in force what the configuration says of datasets, without a restart; what is invalid changes nothing."""
    with session(client, config, json=json, language=lang) as (space, screen):
        before = space.reload_offers(dry=True)
        told = [_of_dataset(one) for one in before["terms"] if one["loosens"]]
        tell_looser(screen, told)
        insist_loosening(screen, told, loosen=loosen)
        found = space.reload_offers(seen=before["seen"])
        screen.show(found, lambda: _reloaded(screen, found))


@listing.command("plan")
def plan(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False, lang: LanguageOption = "") -> None:
    """Show what differs between the offers of the configuration file and those in force; nothing is changed."""
    with session(client, config, json=json, language=lang) as (space, screen):
        found = space.reload_offers(dry=True)
        screen.show(found, lambda: _planned(screen, found))


@listing.command("apply")
def apply(
    yes: YesOption = False,
    loosen: LoosenOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Put the offers of the configuration in force, after showing what differs and asking; all or none."""
    with session(client, config, json=json, language=lang) as (space, screen):
        before = space.reload_offers(dry=True)
        if not json:
            _planned(screen, before)
        if not _differs(before):
            screen.show(before, lambda: None)
            return
        told = [_of_dataset(one) for one in before["terms"] if one["loosens"]]
        tell_looser(screen, told)
        insist(screen, Text(msgid("Put these offers in force?")), yes=yes, option=_options(loosens=bool(told)))
        insist_loosening(screen, told, loosen=loosen)
        found = space.reload_offers(seen=before["seen"])
        screen.show(found, lambda: _reloaded(screen, found))


def _options(*, loosens: bool) -> str:
    return "--yes --loosen" if loosens else "--yes"


def _differs(found: JsonObject) -> bool:
    return any(found[name] for name in ("added", "removed", "changed"))


def _planned(screen: Screen, found: JsonObject) -> None:
    """What would be new, gone or different, what the contracts would say, and who has agreed on what is there."""
    _reloaded(screen, found | {"terms": []})
    for one in found["terms"]:
        screen.line(_of_dataset(one))
    for one in found["contracts"]:
        screen.line(Text(msgid("{dataset}, contract: {sentence}"), one))
    for one in found["stands"]:
        if one["in_force"]:
            told = msgid("{dataset}: {in_force} agreements in force stay as they were signed.")
            screen.line(Text(told, {"dataset": one["dataset"], "in_force": int(one["in_force"])}))


_CLASH = msgid("LOOK: {sentence}")
_DONE = {
    "added": msgid("New: {names}."),
    "changed": msgid("Changed: {names}."),
    "removed": msgid("No longer held: {names}."),
    "needs_restart": msgid("Changed, and in force at the next start only: {names}."),
}


def _reloaded(screen: Screen, found: JsonObject) -> None:
    for name, sentence in _DONE.items():
        if found[name]:
            screen.line(Text(sentence, {"names": ", ".join(found[name])}))
    for one in found["terms"]:
        if not one["loosens"]:  # that was said before it was asked for
            screen.line(_of_dataset(one))
    if not any(found[name] for name in _DONE):
        screen.line(Text(msgid("Nothing has changed.")))


def _of_dataset(one: JsonObject) -> Text:
    return Text(msgid("{dataset}: {change}"), {"dataset": one["dataset"], "change": one["sentence"]})


def _block(screen: Screen, one: JsonObject) -> tuple[str, ...]:
    """One dataset: how it stands, on which terms, and who has agreed on it."""
    lines = [Text(msgid("{title} ({formats})"), {"title": one["title"], "formats": screen.named(*one["formats"])})]
    lines.append(_stands(screen, one))
    if one["problem"]:
        lines.append(Text("{problem}", {"problem": one["problem"]}))
    agreements = counted(int(one["agreements"]), msgid("{count} agreement"), msgid("{count} agreements"))
    uses = counted(int(one["open_uses"]), msgid("{count} open use"), msgid("{count} open uses"))
    told = msgid("{agreements}, in force: {holds}; {uses}")
    lines.append(Text(told, {"agreements": agreements, "holds": int(one["in_force"]), "uses": uses}))
    for offer in one["offers"]:
        lines += [Text("- {sentence}", {"sentence": sentence}) for sentence in offer["contract"]]
        lines += [Text(_CLASH, {"sentence": clash["text"]}) for clash in offer["clashes"]]
    return (str(one["dataset"]), *map(screen.say, lines))


def _stands(screen: Screen, one: JsonObject) -> Text:
    if one["withdrawn"]:
        return Text(msgid("withdrawn: nobody can agree on it; agreements that stand go on"))
    if one["offered"]:
        return Text(msgid("offered since {since}"), {"since": one["published"]})
    return Text(msgid("not in the catalogue ({state})"), {"state": screen.named(one["state"])})


@offering.callback()
def on_offers() -> None:
    """Offer one more file, change or withdraw an offer."""


@offering.command("add")
@with_file_options
def add(
    file: Annotated[str, typer.Argument(help="A table to offer for training only: as medspace draft takes it.")],
    of_file: "DraftOptions",
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", help="Its data dictionary; without one it is drafted.")
    ] = None,
    dataset: Annotated[str, typer.Option("--id", help="What the dataset is called; default: as the file.")] = "",
    title: Annotated[str, typer.Option("--title", help="Its title in the catalogue; default: as the file.")] = "",
    until: UntilOption = "",
    count: CountOption = None,
    min_sites: MinSitesOption = None,
    questions: QuestionsOption = None,
    holder: HolderOption = None,
    publish: PublishOption = None,
    terms: TermsOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be published; nothing is written or offered.")
    ] = False,
    yes: YesOption = False,
    loosen: LoosenOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Offer one more file (`medspace offer FILE` for short), on the safe terms of `medspace init --offer`.

    It takes effect at once where the connector runs, and at its next start where it does not.
    """
    from medspace.app.features.offers import stopped  # noqa: PLC0415 - cryptography is imported only when needed
    from medspace.app.node.offering.origins import origin  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    source = origin(file)
    said: JsonObject = {
        "dataset": dataset,
        "title": title,
        "dictionary": str(absolute(dictionary)) if dictionary else "",
        "until": until,
        "count": count,
        "min_sites": min_sites,
        "questions": questions,
        "holders": holder or [],
        "publish": published(publish) or [],
        "terms": terms,
        "dry": dry_run,
        **stopped.of_file(screen, source, of_file, asking=dictionary is None and not yes),
    }

    if dry_run:
        made = _placed(config, screen, source, said)
    else:
        tried = _placed(config, screen, source, said | {"dry": True})
        looser = [one.sentence for one in stopped.looser(_usual(config, screen, said))] + stopped.beyond_usual(tried)
        looser += [_of_dataset(one) for one in tried["changes"]]
        tell_looser(screen, looser)
        insist_loosening(screen, looser, loosen=loosen)
        made = _placed(config, screen, source, said | {"seen": tried["seen"]})
    screen.show(made, lambda: _added(screen, made, config))


def _usual(config: Path, screen: Screen, said: JsonObject) -> JsonObject:
    """What is said of an offer, with what its template says of what is usual otherwise."""
    if not said["terms"]:
        return said
    with session(client, config, json=screen.as_json, language=screen.language) as (space, _):
        own = space.own_template(str(said["terms"]))["terms"]
    return said | {"count": own.get("count", 0), "min_sites": own.get("min_sites", said["min_sites"])}


def _placed(config: Path, screen: Screen, source: "Origin", said: JsonObject) -> JsonObject:
    """A table offered by the running connector, or in the configuration of one that is not running."""
    from medspace.app.doors.own_token import own_token  # noqa: PLC0415
    from medspace.app.doors.sdk import NotRunningError  # noqa: PLC0415
    from medspace.app.features.offers import stopped  # noqa: PLC0415 - cryptography is imported only when needed
    from medspace.app.node.offering.origins import source_of  # noqa: PLC0415

    try:
        with session(client, config, json=screen.as_json, language=screen.language) as (space, _):
            return dict(space.offer(source_of(source), **said)) | {"at_next_start": False}
    except NotRunningError:
        if own_token() is not None or said["terms"]:  # without a connector nobody can tell what it may do, or knows
            raise
        return stopped.add(config, source, said, screen) | {"at_next_start": True}


def _added(screen: Screen, made: JsonObject, config: Path) -> None:
    file_findings.show(screen, made)
    for file in made["to_review"]:
        screen.line(Text(msgid("Review {file}: it was drafted from your data."), {"file": file}))
    if made["dry"]:
        _published(screen, made)
        told = msgid("{dataset} would be offered on these terms; nothing was written:")
    elif made["at_next_start"]:
        told = msgid("{dataset} is in the configuration, and offered at the next `medspace up`.")
    else:
        told = msgid("{dataset} is offered from now on, on these terms:")
    screen.line(Text(told, {"dataset": made["dataset"]}))
    for offer in made["offers"]:
        for sentence in offer["contract"]:
            screen.line(Text("  - {sentence}", {"sentence": sentence}))
        for clash in offer["clashes"]:
            screen.line(Text(_CLASH, {"sentence": clash["text"]}))
    if made["questions"] is not None:
        told = msgid("It answers {questions} questions a year, of all users together.")
        screen.line(Text(told, {"questions": made["questions"]}))
    if not made["dry"]:
        screen.line(following("medspace offers", config))


def _range(column: JsonObject) -> str:
    return f"{bound_shown(column.get('minimum', ''))} - {bound_shown(column.get('maximum', ''))}"


def _published(screen: Screen, made: JsonObject) -> None:
    """What everybody would see of the table, and what of its dictionary nobody would."""
    heads = [Text(one) for one in (msgid("column"), msgid("read as"), msgid("unit"), msgid("range"), msgid("codes"))]
    rows = [
        (
            one["name"],
            one["type"],
            one.get("unit", ""),
            _range(one) if "minimum" in one or "maximum" in one else "",
            ", ".join(one.get("codes", ())),
        )
        for one in made["published"]["columns"]
    ]
    told = made["figures"]
    if told["persons"] is not None:
        screen.line(Text(msgid("About {persons} patients, in steps of {persons_step}."), told))
    for column, share in told["missing"].items():
        facts = {"column": column, "percent": share, "step": told["missing_step"]}
        screen.line(
            Text(msgid("{column}: missing for about {percent} % of the patients, in steps of {step} %."), facts)
        )
    screen.table(Text(msgid("Everybody would see this of {dataset}:"), {"dataset": made["dataset"]}), heads, rows)
    for sentence in made["unpublished"]:
        screen.line(Text(msgid("Not published: {what}"), {"what": sentence}))


@offering.command("change")
def change(
    dataset: DatasetArgument,
    until: Annotated[str | None, typer.Option("--until", help="Last day of the offer.")] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=0, max=MOST, help="Uses per agreement; 0: without bound.")
    ] = None,
    min_sites: Annotated[
        int | None, typer.Option("--min-sites", min=1, max=MOST_SITES, help="Hospitals in each sum.")
    ] = None,
    questions: Annotated[
        int | None, typer.Option("--questions", min=0, max=MOST, help="Questions a year, of all users.")
    ] = None,
    publish: PublishOption = None,
    terms: TermsOption = "",
    offer: Annotated[
        int, typer.Option("--offer", min=0, max=MOST, help="Which offer, from 1, where there are several.")
    ] = 0,
    yes: YesOption = False,
    loosen: LoosenOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Change the terms of an offer for new agreements, at once; tells first what it means for those in force."""
    changes: JsonObject = {"until": until, "count": count, "min_sites": min_sites, "questions": questions}
    changes |= {"publish": published(publish), "terms": terms}
    with session(client, config, json=json, language=lang) as (space, screen):
        before = space.change_offer(dataset, dry=True, offer=offer, **changes)
        for one in before["changes"]:
            screen.line(Text("{change}", {"change": one["sentence"]}))
        _notes(screen, before)
        looser = [one for one in before["changes"] if one["loosens"]]
        told = [Text("{change}", {"change": one["sentence"]}) for one in looser]
        tell_looser(screen, told)
        missing = "--yes --loosen" if told and not loosen else "--yes"
        insist(screen, Text(msgid("Change the offer?")), yes=yes, option=missing)
        insist_loosening(screen, told, loosen=loosen)
        confirmed = [one["term"] for one in looser]
        made = space.change_offer(dataset, offer=offer, loosen=confirmed, seen=before["seen"], **changes)
        screen.show(made, lambda: screen.blocks(Text(msgid("The offer is now:")), [_block(screen, made)]))


@offering.command("withdraw")
def withdraw(
    dataset: DatasetArgument,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Offer a dataset no longer: nobody agrees on it from now on; agreements that stand go on until they end."""
    with session(client, config, json=json, language=lang) as (space, screen):
        _notes(screen, space.withdraw_offer(dataset, dry=True))
        insist(screen, Text(msgid("Withdraw the offer?")), yes=yes)
        made = space.withdraw_offer(dataset)
        screen.show(made, lambda: screen.line(Text(msgid("{dataset} is withdrawn."), {"dataset": dataset})))


@offering.command("publish")
def publish(
    dataset: DatasetArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Offer a dataset again that was withdrawn, on the terms of the configuration."""
    with session(client, config, json=json, language=lang) as (space, screen):
        made = space.publish_offer(dataset)
        screen.show(made, lambda: screen.blocks(Text(msgid("The offer is now:")), [_block(screen, made)]))


def _notes(screen: Screen, told: JsonObject) -> None:
    for note in told["notes"]:
        screen.line(Text("{note}", {"note": note}))
