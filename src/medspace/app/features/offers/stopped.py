"""Offering a file while no connector is running: the configuration is written, and takes effect at the next start."""

from pathlib import Path

from medspace.adapters.duckdb.settings import DraftOptions
from medspace.adapters.filenames import absolute
from medspace.adapters.system import SystemClock
from medspace.app.doors.cli.file_asking import answered, asks
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.views import offered
from medspace.app.features.offers import editing
from medspace.app.features.offers.api import OfferBody, new_offer
from medspace.app.node.config import read_config
from medspace.app.node.holdings import Prepared, prepare
from medspace.app.node.language import speaker
from medspace.app.node.offering.drafting import spoken
from medspace.app.node.offering.loosening import TermChange, beyond
from medspace.app.node.offering.origins import Origin, source_of
from medspace.app.node.offering.wishes import COUNT, MIN_SITES
from medspace.core.canonical import JsonObject
from medspace.core.text import Text


def add(config: Path, source: Origin, said: JsonObject, screen: Screen) -> JsonObject:
    """Write a table that is offered into the configuration, once it was read as at a start. Blocking.

    Raises:
        MedspaceError: it cannot be offered; nothing was written.
    """
    new = new_offer(OfferBody(source=source_of(source), **said))
    written = editing.with_dataset(config, read_config(config), new, SystemClock())
    with editing.replacing(config, written.text, written.files, dry=new.dry) as changed:
        made = next(one for one in prepare(changed) if one.id == written.dataset)
        holding = made.open()
    shown = editing.shown_of(holding, screen.say) if new.dry else {}
    return spoken(written.told, screen.say) | _shown(made, screen) | shown


def _shown(made: Prepared, screen: Screen) -> JsonObject:
    now = SystemClock().now()
    offers = [offered(offer, speaker(screen.language), now) for offer in made.dataset.offers]
    return {"dataset": made.id, "title": made.dataset.title, "formats": list(made.dataset.formats), "offers": offers}


def beyond_usual(made: JsonObject) -> list[Text]:
    """More questions than are usual for as many persons."""
    asked, usual = made["questions"], made["usual_questions"]
    if asked is None or usual is None:
        return []
    return [one.sentence for one in beyond({"questions": usual}, {"questions": asked})]


def looser(said: JsonObject) -> list[TermChange]:
    """The terms of a new offer that protect its patients less than those that hold where nothing is said."""
    given = {name: said[name] for name in ("count", "min_sites") if said[name] is not None}
    return beyond(
        {"count": COUNT, "min_sites": MIN_SITES}, given | ({"count": None} if given.get("count") == 0 else {})
    )


def of_file(screen: Screen, source: Origin, options: DraftOptions, *, asking: bool) -> JsonObject:
    """What is said of the table, as the API takes it; where `asking` at a terminal, with what a person answers.

    Raises:
        MedspaceError: the table cannot be read; at a terminal nothing was asked then.
    """
    if asking and asks(screen):
        _, options = answered(screen, source, options)
    return {
        "person": options.person,
        "rows_are_persons": options.rows_are_persons,
        "table": options.table,
        "password": str(absolute(options.password)) if options.password else "",
        "settings": list(options.settings),
        "leave_out": list(options.leave_out),
        "leave_out_rows": list(options.leave_out_rows),
        "encoding": options.encoding,
        "delimiter": options.delimiter,
        "skip_lines": options.skip_lines,
        "names": list(options.names),
        "min_cohort": options.least,
    }
