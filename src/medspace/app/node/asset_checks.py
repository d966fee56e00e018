"""The doctor's checks of assets: which are open, unavailable or refused, and what the catalogue leaves out for each.

They report columns, never values, since reports may be logged. A running connector is asked for what it found when it
opened its assets; nothing is opened a second time.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from medspace.app.node.assets import AssetPhase, AssetState
from medspace.app.node.checks import HealthCheck, failed
from medspace.app.node.config import Config
from medspace.app.node.holdings import Holding, prepare
from medspace.app.node.questions import cells_told
from medspace.core.dictionary import ColumnType
from medspace.core.errors import MedspaceError, WaitingError
from medspace.core.text import Fact, Text, counted, msgid
from medspace.policy import odrl
from medspace.policy.clashes import clashes

NAME = msgid("assets")
MEASURED = (ColumnType.NUMBER, ColumnType.INTEGER, ColumnType.DATE)


def unopened_checks(config: Config, kinds: Collection[str]) -> Iterator[HealthCheck]:
    """The checks for a connector that is not running: its assets are opened for them, one after the other. Blocking.

    `kinds` are the kinds of use that it will serve.
    """
    try:
        states = [AssetState(prepared) for prepared in prepare(config, kinds=kinds)]
    except MedspaceError as error:
        yield failed(NAME, error)
        return
    for state in states:
        try:
            state.holding, state.standing = state.prepared.open(), AssetPhase.OPEN
        except MedspaceError as error:
            away = isinstance(error, WaitingError)
            state.standing, state.error = AssetPhase.AWAY if away else AssetPhase.REFUSED, error
    yield from asset_checks(states)


def asset_checks(states: Sequence[AssetState]) -> Iterator[HealthCheck]:
    """The state of the assets, those that need action first. Blocking: codes are counted."""
    for state in states:
        if state.error is not None:
            facts: dict[str, Fact | Text] = {"asset": state.id, "why": state.error.text}
            found = Text(msgid("{asset} is not open: {why}"), facts)
            yield HealthCheck(NAME, ok=False, found=found, next_step=state.error.advice)
    waiting = [state.id for state in states if state.standing is AssetPhase.OPENING]
    if waiting:
        yield HealthCheck(
            NAME, ok=True, found=Text(msgid("Still being opened: {assets}."), {"assets": ", ".join(waiting)})
        )
    yield from _clashes(states)
    held = [state.holding for state in states if state.holding is not None]
    if held or not states:
        yield HealthCheck(NAME, ok=True, found=_kept_sentence(held))
    yield from _warnings(held)
    yield from _small_cells(held)
    yield from _without_range(held)
    yield from _unpublished(held)


def _clashes(states: Sequence[AssetState]) -> Iterator[HealthCheck]:
    """Terms that clash: what nobody can use, and what says nothing."""
    advice = Text(msgid("Correct the terms in the configuration; `medspace policy check` tries other ones."))
    for state in states:
        for offer in state.prepared.dataset.offers:
            for clash in clashes(odrl.parse(offer)):
                found = Text(msgid("{asset}: {warning}"), {"asset": state.id, "warning": clash.text})
                yield HealthCheck(msgid("terms"), ok=True, found=found, next_step=advice)


def _kept_sentence(held: Sequence[Holding]) -> Text:
    assets = counted(len(held), msgid("{count} asset"), msgid("{count} assets"))
    rows = counted(sum(holding.checked.count for holding in held), msgid("{count} row"), msgid("{count} rows"))
    return Text(
        msgid("Everything conforms to its dictionary: {assets} with {rows}."), {"assets": assets, "rows": rows}
    )


def _warnings(held: Sequence[Holding]) -> Iterator[HealthCheck]:
    """Warnings about the place where the content is kept."""
    for holding in held:
        for warning in holding.checked.warnings:
            facts: dict[str, Fact | Text] = {"asset": holding.dataset.id, "warning": warning}
            yield HealthCheck(msgid("source"), ok=True, found=Text(msgid("{asset}: {warning}."), facts), look=True)


def _small_cells(held: Sequence[Holding]) -> Iterator[HealthCheck]:
    """What the first answers reveal about few patients; no rule prevents that yet."""
    advice = Text(msgid("Leave out or coarsen rare codes, or offer the dataset to those only whom you would tell."))
    for holding in held:
        cells = holding.small_cells()
        if cells:
            found = cells_told(holding.dataset.id, sum(cells.values()), _columns_of(cells))
            yield HealthCheck(msgid("cells"), ok=True, found=found, next_step=advice)


def _columns_of(cells: Mapping[tuple[str, str], int]) -> list[str]:
    """The columns that stand in such pairs, those in most first."""
    counts = Counter[str]()
    for pair, count in cells.items():
        counts.update(dict.fromkeys(pair, count))
    return [name for name, _ in counts.most_common()]


def _without_range(held: Sequence[Holding]) -> Iterator[HealthCheck]:
    """Numbers without a range: they are offered, but nobody can ask about them, and the holder would not notice."""
    advice = Text(msgid("Write a minimum and a maximum that are possible in medicine into the dictionary."))
    for holding in held:
        columns = [c.name for c in holding.checked.dictionary.columns if c.type in MEASURED and c.span is None]
        if columns:
            facts = {"asset": holding.dataset.id, "columns": ", ".join(columns)}
            found = Text(msgid("Columns of {asset} without a range, which nobody can ask about: {columns}."), facts)
            yield HealthCheck(msgid("ranges"), ok=True, found=found, next_step=advice)


def _unpublished(held: Sequence[Holding]) -> Iterator[HealthCheck]:
    """The parts of a dictionary that the catalogue does not show."""
    advice = Text(msgid("Take it out of the dictionary, or leave it: the catalogue does not show it."))
    for holding in held:
        for reason in holding.unpublished:
            facts: dict[str, Fact | Text] = {"asset": holding.dataset.id, "reason": reason}
            found = Text(msgid("Not published of {asset}: {reason}."), facts)
            yield HealthCheck(msgid("catalogue"), ok=True, found=found, next_step=advice)
