"""Mail passes through the coordinator: rows in clear, or sealed by or for somebody else, do not leave."""

import pytest

from medspace.connector.usage.errors import WithheldError
from medspace.core.usage import Output
from medspace.trust.envelope import Context, seal
from tests.unit.connector.test_usage_seats import HOLDER, B, C, asked, table

ROWS = "patient p1: 77, patient p2: 78"


def tampered(sealed):
    header, ciphertext, *signature = sealed.split(".")
    return ".".join((header, ciphertext[:-8] + "AAAAAAAA", *signature))


def before(ours):
    """What it sealed for the same seat in a run before this one."""
    context = Context("urn:run:before", ours.manifest.digest, HOLDER, B, "x")
    return seal(b"m", context, ours._public(B), ours.identity.signer)


MAIL = {
    "in clear": lambda ours, theirs: ROWS,
    "under the header alone": lambda ours, theirs: f"{ours.seal(B, 'x', b'm').split('.')[0]}.{ROWS}.{ROWS}",
    "for another seat": lambda ours, theirs: ours.seal(C, "x", b"m"),
    "of another seat": lambda ours, theirs: theirs.seal(HOLDER, "x", b"m"),
    "of another run": lambda ours, theirs: before(ours),
    "changed": lambda ours, theirs: tampered(ours.seal(B, "x", b"m")),
    "empty": lambda ours, theirs: "",
    "odd": lambda ours, theirs: "\u00e9.\u00e9.\u00e9",
    "no object": lambda ours, theirs: "W10.W10.W10",
}


@pytest.mark.parametrize("way", MAIL)
async def test_mail_that_this_holder_did_not_seal_for_its_seat_does_not_leave(way):
    house, token, ours, theirs = await table()
    house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox={B: MAIL[way](ours, theirs)})
    with pytest.raises(WithheldError) as caught:
        await asked(house, token)
    assert caught.value.facts["decision"] == "release.outbox"


async def test_mail_that_it_sealed_leaves():
    house, token, ours, _ = await table()
    sealed = {B: ours.seal(B, "round 1", b"a share"), C: ours.seal(C, "round 1", b"a share")}
    house.engine.output = Output("count.sum", {"sum": 1.5}, 50, outbox=sealed)
    assert (await asked(house, token)).outbox == sealed
