"""What somebody reads who coordinates a masked run and has a seat that tells him everything that it sees."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from medspace.core.errors import InvalidInputError, MedspaceError
from medspace.core.usage import Output, Step
from medspace.privacy.masking.errors import ShareInvalidError
from medspace.privacy.masking.masks import unmasked
from medspace.privacy.masking.shamir import SecretShare, join
from medspace.privacy.masking.thresholds import Thresholds
from medspace.runs.masked import opening
from medspace.runs.masked.errors import OpeningsMissingError
from medspace.runs.masked.memory import Remembered
from medspace.runs.masked.messages import AGREE, OPEN, MaskedContribution, Opening, label
from medspace.runs.masked.opening import SeatGroup
from medspace.runs.masked.site import RING
from medspace.trust import jws
from tests.masked import FRACTION, Coordinated, Seated

COUNT = 3  # numbers of the toy
Lie = Callable[[str, Step], Step]


def refusals(table: Coordinated, step: str, lie: Lie, sites: Iterable[str] | None = None) -> dict[str, Any]:
    """What each site says to a step that somebody has changed on its way: its output, or why there is none."""
    said: dict[str, Any] = {}
    for site, due in table.due().items():
        if sites is None or site in sites:
            try:
                said[site] = table.sites[site].do(lie(site, replace(due, name=step)))
            except MedspaceError as error:
                said[site] = error
    return said


def took(said: Mapping[str, Any]) -> list[str]:
    """The sites that did the step."""
    return [site for site, outcome in said.items() if isinstance(outcome, Output)]


def blamed(said: Mapping[str, Any]) -> set[Any]:
    """Whom the sites that refused it name in their logs."""
    errors = [outcome for outcome in said.values() if not isinstance(outcome, Output)]
    assert all(isinstance(error, InvalidInputError) and error.code and str(error.advice) for error in errors), errors
    return {getattr(error, "named", "") for error in errors}


def posted(outputs: Mapping[str, Output]) -> dict[str, dict[str, str]]:
    """What is to be brought to each site, by its sender."""
    mail: dict[str, dict[str, str]] = {}
    for site, output in outputs.items():
        for peer, message in output.outbox.items():
            mail.setdefault(peer, {})[site] = message
    return mail


def contribution(text: str) -> MaskedContribution:
    """What a site signed, as everybody can read it who carries it."""
    return msgspec.json.decode(jws.decode(text.split(".")[1]), type=MaskedContribution)


def memory(seat: Seated) -> Remembered:
    return msgspec.msgpack.decode(seat.memory, type=Remembered)


def seats(table: Coordinated, spy: str) -> SeatGroup:
    """The table as the spy's seat sees it."""
    keys, terms = table.sites[spy].keys, table.sites[spy].keys.terms
    thresholds = Thresholds.for_seats(len(keys.seats), terms.colluders, terms.min_sites)
    return SeatGroup(keys.seats, spy, terms.manifest, thresholds, terms.leaving)


def agree(table: Coordinated, texts: Mapping[str, str], number: int, question: int = 1) -> dict[str, str]:
    """Have all on a list sign it."""
    step = Step({"task": "toy"}, number, AGREE, {"question": question, "texts": dict(texts)})
    mail = table.mail
    return {site: table.sites[site].do(replace(step, inbox=mail.get(site, {}))).values["signed"] for site in texts}


def opens(table: Coordinated, signed: Mapping[str, str], site: str, number: int, question: int = 1) -> Output:
    """Have a site open under these signatures."""
    return table.sites[site].do(Step({"task": "toy"}, number, OPEN, {"question": question, "texts": dict(signed)}))


def seen(table: Coordinated, spy: str, outputs: Mapping[str, Output], question: int = 1) -> dict[str, Opening]:
    """The openings of others that were sealed for the spy."""
    keys = table.sites[spy].keys
    return {
        site: msgspec.json.decode(keys.open(site, label(question, OPEN), output.outbox[spy]), type=Opening)
        for site, output in outputs.items()
        if spy in output.outbox
    }


def own_seed(table: Coordinated, spy: str, openings: Mapping[str, Opening], victim: str) -> bytes | None:
    """The seed of the victim's own mask, if there are enough shares of it."""
    placed = seats(table, spy)
    shares = [
        SecretShare(placed.point(site), bytes.fromhex(one.shares[victim]))
        for site, one in openings.items()
        if victim in one.shares
    ]
    try:
        return join(shares, placed.thresholds.opening, len(placed.seats))
    except ShareInvalidError:
        return None


def number_of(victim: str, text: str, own: bytes | None, pairs: Mapping[str, bytes]) -> int | None:
    """The victim's number, from its masked vector and the seeds of all its masks."""
    if own is None:
        return None
    words = RING.from_bytes(base64.b64decode(contribution(text).words), COUNT)
    plain = unmasked(words, RING, {victim: own}, {(victim, peer): seed for peer, seed in pairs.items()})
    return RING.decode(plain)[0] >> FRACTION


def total_seen(
    table: Coordinated, spy: str, remembered: Remembered, openings: Mapping[str, Opening], question: int = 1
) -> int | None:
    """The total that these openings open, to the spy."""
    try:
        known = remembered.agreed
        return opening.opened(seats(table, spy), question, known, openings, RING, COUNT).numbers[0] >> FRACTION
    except OpeningsMissingError:
        return None


def given(remembered: Remembered) -> Opening:
    """What a seat can open by itself."""
    return opening.given(remembered.agreed, remembered.masks)
