"""A hospital that lies in a masked run: it is named where its own signature shows it, and nothing is opened by it.

Where nobody can tell whose fault it is (masks that do not cancel), nobody is named and the run ends. A hospital that
lies about its own data is not found out: it steers the model, and how far is measured.
"""

import base64
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from medspace.privacy.masking.seeds import CommitmentKind
from medspace.privacy.masking.shamir import PRIME
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.messages import AGREE, CONTRIBUTE, OPEN, PROPOSE, Opening, SharedSeed, label, written
from medspace.runs.masked.opening import SeatGroup
from medspace.runs.masked.proposing import _digest
from medspace.runs.masked.site import RING
from medspace.trust import envelope
from medspace.trust.envelope import Context
from tests.attacks.masked_spying import blamed, contribution, memory, posted, refusals, seats, took
from tests.masked import COORDINATOR, Toy, at, keys_of, names
from tests.unit.learning.masked_sites import MaskedRun

NUMBERS = (11, 22, 33, 44)
ALL = names(4)
LIAR = ALL[1]
HONEST = [site for site in ALL if site != LIAR]


def table_at(step, question=1, **more):
    return at(step, question, NUMBERS, **more)


def contributed(change, shares=None):
    """All contribute, the liar what `change` makes of its own; `shares` are what it gave the others of its seed.

    What the others say to that, when they are to agree.
    """
    table = table_at(CONTRIBUTE)
    outputs = refusals(table, CONTRIBUTE, lambda _, step: step)
    liar, name = table.sites[LIAR], label(1, CONTRIBUTE)
    said = contribution(outputs[LIAR].values["signed"])
    given = {} if shares is None else shares(memory(liar))
    text, sealed = liar.keys.announce(name, change(said, seats(table, LIAR)), given)
    outbox = outputs[LIAR].outbox | sealed
    outputs[LIAR] = replace(outputs[LIAR], values={"question": 1, "signed": text}, outbox=outbox)
    return agreed(table, outputs, text)


def agreed(table, outputs, text):
    masks = memory(table.sites[LIAR]).masks
    digest = f"sha256:{envelope.sha256(text.encode()).hexdigest()}"
    remembered = msgspec.structs.replace(
        memory(table.sites[LIAR]), masks=msgspec.structs.replace(masks, contribution=digest)
    )
    table.sites[LIAR].memory = msgspec.msgpack.encode(remembered)
    table.mail = posted(outputs)
    table.state |= {"next": AGREE, "texts": {site: output.values["signed"] for site, output in outputs.items()}}
    return table, refusals(table, AGREE, lambda _, step: step, HONEST)


def changed(**fields):
    return lambda said, _: written(msgspec.structs.replace(said, **fields))


def vector(count):
    words = base64.b64encode(bytes(count * RING.size)).decode()
    return {"words": words, "digest": f"sha256:{envelope.sha256(bytes(count * RING.size)).hexdigest()}"}


CONTRIBUTIONS = {
    "no JSON": lambda *_: b"NaN",
    "numbers that are none": lambda *_: b'{"question":NaN}',
    "a list": lambda *_: b"[]",
    "a member twice": lambda said, _: written(said)[:-1] + b',"question":1}',
    "another question": changed(question=2),
    "words that are none": changed(words="####"),
    "words of another digest": changed(digest="sha256:" + "0" * 64),
    "a shorter vector": changed(**vector(2)),
    "a longer vector": changed(**vector(4)),
    "masks with nobody": changed(pairs={}),
    "shares for nobody": changed(shares={}),
    "no hash": lambda said, _: written(msgspec.structs.replace(said, own="sha256:0")),
    "a question that nobody proposed": changed(follows="x.y.z"),
}


@pytest.mark.parametrize("lie", CONTRIBUTIONS)
def test_a_contribution_that_cannot_be_used_names_its_site(lie):
    _, said = contributed(CONTRIBUTIONS[lie])
    assert (took(said), blamed(said)) == ([], {LIAR}), {site: str(one) for site, one in said.items()}


def test_a_contribution_of_somebody_else_names_nobody_who_is_honest():
    """It is not signed by whom it came from; who carries it could have seen that."""
    table = table_at(CONTRIBUTE)
    outputs = refusals(table, CONTRIBUTE, lambda _, step: step)
    outputs[LIAR] = outputs[ALL[2]]
    _, said = agreed(table, outputs, outputs[LIAR].values["signed"])
    assert (took(said), blamed(said)) == ([], {COORDINATOR})


def test_a_mask_that_differs_is_named_by_whom_it_is_shared_with_and_by_nobody_else():
    _, said = contributed(lambda one, _: written(msgspec.structs.replace(one, pairs={**one.pairs, ALL[2]: one.own})))
    assert took(said) == []
    assert {site: error.named for site, error in said.items()} == {ALL[0]: "", ALL[2]: LIAR, ALL[3]: ""}
    assert {error.code for error in said.values()} == {"masked.message", "masked.masks_differ"}


SHARES = {
    "garbage": b"\xff\x00 no share",
    "half a byte": written(SharedSeed("abc")),
    "another one": written(SharedSeed("00" * 33)),
    "none": written(SharedSeed("")),
}


@pytest.mark.parametrize("share", SHARES)
def test_a_share_that_does_not_fit_names_who_gave_it(share):
    same = lambda said, _: written(said)  # noqa: E731
    table, said = contributed(same, lambda _: {ALL[2]: SHARES[share]})
    assert took(said) == [ALL[0], ALL[3]]  # they have good ones; without all signatures nothing is opened
    assert said[ALL[2]].named == LIAR
    assert all(memory(table.sites[site]).opening is None for site in HONEST)


def sealed_as_noise(table, outputs):
    """A message that the liar signed and that nobody can open."""
    keys = table.sites[LIAR].keys
    about = Context(keys.manifest.run, keys.manifest.digest, LIAR, "", label(1, CONTRIBUTE))
    others = {site: keys._public(LIAR) for site in HONEST}  # sealed for itself
    noise = envelope.seal_all(dict.fromkeys(HONEST, b"noise"), about, others, keys_of(LIAR))
    return {**outputs, LIAR: replace(outputs[LIAR], outbox=noise)}


def test_a_message_that_cannot_be_opened_names_who_signed_it():
    table = table_at(CONTRIBUTE)
    outputs = refusals(table, CONTRIBUTE, lambda _, step: step)
    table.mail = posted(sealed_as_noise(table, outputs))
    table.state |= {"next": AGREE, "texts": {site: output.values["signed"] for site, output in outputs.items()}}
    said = refusals(table, AGREE, lambda _, step: step, HONEST)
    assert (took(said), blamed(said)) == ([], {LIAR})


# --- opening -------------------------------------------------------------------------------------------------------
def dealt(values):
    """The liar gives out these shares of its seed, and commits to each of them; what the others open of it then."""

    def hashes(said, table):
        commitments = {
            site: table.commitment(CommitmentKind.SHARE, value, 1, LIAR, site)
            for site, value in zip(ALL, values, strict=True)
        }
        return written(msgspec.structs.replace(said, shares=commitments))

    table, said = contributed(
        hashes,
        lambda _: {
            site: written(SharedSeed(value.hex())) for site, value in zip(ALL, values, strict=True) if site != LIAR
        },
    )
    assert took(said) == HONEST
    held = memory(table.sites[LIAR])
    masks = msgspec.structs.replace(held.masks, share=values[ALL.index(LIAR)])
    table.sites[LIAR].memory = msgspec.msgpack.encode(msgspec.structs.replace(held, masks=masks))
    table.number -= 1
    liar = refusals(table, AGREE, lambda _, step: step, {LIAR})
    signed = {site: output.values["signed"] for site, output in {**said, **liar}.items()}
    table.state |= {"next": OPEN, "texts": signed}
    outputs = refusals(table, OPEN, lambda _, step: step)
    assert took(outputs) == ALL
    table.mail = posted(outputs)
    table.state |= {"next": PROPOSE, "proposer": outputs[ALL[0]].values["proposer"]}
    return refusals(table, PROPOSE, lambda _, step: step)


DEALT = {
    "of another field": [(PRIME + 1).to_bytes(33, "big")] * 4,
    "of too few bytes": [b"short"] * 4,
    "on no polynomial": [bytes(32) + bytes([number]) for number in (1, 2, 3, 7)],
    "of another seed": [bytes(32) + bytes([number]) for number in (1, 2, 3, 4)],
}


@pytest.mark.parametrize("shares", DEALT)
def test_shares_that_lead_nowhere_name_who_dealt_them(shares):
    said = dealt(DEALT[shares])
    assert (took(said), blamed(said)) == ([], {LIAR}), said
    assert {error.code for error in said.values()} == {"masked.opening"}


def opened(gift, seats_of=NUMBERS, gone=(), **terms):
    """What the liar opens; what the site that proposes says to it."""
    table = at(OPEN, 1, seats_of, **terms) if not gone else lost(gone, seats_of, **terms)
    outputs = refusals(table, OPEN, lambda _, step: step, [site for site in names(len(seats_of)) if site not in gone])
    liar = table.sites[LIAR]
    honest = Opening(**msgspec.to_builtins(memory(liar).opening))
    receivers = [site for site in outputs if site != LIAR]
    sealed = liar.keys.seal_all(dict.fromkeys(receivers, written(gift(honest))), label(1, OPEN))
    outputs[LIAR] = replace(outputs[LIAR], outbox=sealed)
    table.mail = posted(outputs)
    table.state |= {"next": PROPOSE, "proposer": outputs[ALL[0]].values["proposer"], "texts": {}}
    return table, refusals(table, PROPOSE, lambda _, step: step)


def lost(gone, numbers, **terms):
    table = at(CONTRIBUTE, 1, numbers, **terms)
    table.gone = lambda site, _step, _question: site in gone
    table.until(OPEN, 1)
    return table


OPENINGS = {
    "another share": lambda one: Opening({**one.shares, ALL[2]: "00" * 33}, one.pairs),
    "no share": lambda one: Opening({}, one.pairs),
    "half a share": lambda one: Opening({**one.shares, ALL[2]: "abc"}, one.pairs),
    "the seed of a mask with one who is there": lambda one: Opening(one.shares, {ALL[2]: "00" * 32}),
    "garbage": lambda one: SharedSeed("00"),
}


@pytest.mark.parametrize("lie", OPENINGS)
def test_whoever_opens_what_it_did_not_commit_to_is_named(lie):
    _, said = opened(OPENINGS[lie])
    assert LIAR not in said  # whose turn it is to propose
    assert (took(said), blamed(said)) == ([], {LIAR})


SIX, LOST = (11, 22, 33, 44, 55, 66), "did:web:site005"
SEEDS = {
    "another seed": lambda one: Opening(one.shares, {LOST: "00" * 32}),
    "a seed of 5 bytes": lambda one: Opening(one.shares, {LOST: "00" * 5}),
    "no seed": lambda one: Opening(one.shares, {}),
}


@pytest.mark.parametrize("lie", SEEDS)
def test_a_seed_with_a_lost_site_that_differs_names_who_opened_it(lie):
    _, said = opened(SEEDS[lie], SIX, (LOST,), leaving=tuple(range(6)))
    assert LIAR not in said
    assert (took(said), blamed(said)) == ([], {LIAR})


def test_a_seed_of_five_bytes_that_was_committed_to_names_who_did(monkeypatch):
    """With a site that is lost there is nobody who would see that the commitment is to no seed at all."""
    monkeypatch.setattr(SeatGroup, "committed", lambda *_: True)
    _, said = opened(SEEDS["a seed of 5 bytes"], SIX, (LOST,), leaving=tuple(range(6)))
    assert {(error.code, error.named) for error in said.values()} == {("masked.opening", LIAR)}


# --- masks that do not cancel ---------------------------------------------------------------------------------------
def test_a_mask_that_does_not_cancel_ends_the_run_and_names_nobody():
    def noisy(said, _):
        words = keys_noise(len(base64.b64decode(said.words)))
        digest = f"sha256:{envelope.sha256(words).hexdigest()}"
        return written(msgspec.structs.replace(said, words=base64.b64encode(words).decode(), digest=digest))

    table, said = contributed(noisy)
    assert took(said) == HONEST
    table.number -= 1
    liar = refusals(table, AGREE, lambda _, step: step, {LIAR})
    table.state |= {"next": OPEN, "texts": {site: one.values["signed"] for site, one in {**said, **liar}.items()}}
    outputs = refusals(table, OPEN, lambda _, step: step)
    table.mail = posted(outputs)
    table.state |= {"next": PROPOSE, "proposer": outputs[ALL[0]].values["proposer"], "texts": {}}
    with pytest.raises(TotalInvalidError):
        table.step()
    others = [site for site in ALL if site != table.state["proposer"]]
    said = refusals(table, CONTRIBUTE, lambda _, step: replace(step, inbox=posted(outputs).get(_, {})), others)
    assert took(said) == []


def keys_noise(count):
    return np.random.default_rng(1).bytes(count)


# --- proposals -----------------------------------------------------------------------------------------------------
PROPOSALS = {
    "a list": ["1"],
    "nothing": {},
    "another half": {"half": "1"},
    "a half that is off by one": "one more",
    "a number beyond all range": {"half": "9" * 5000},
    "not a number": {"half": "NaN"},
    "a fraction": {"half": 0.5},
    "more than that": {"half": "1", "more": "1"},
    "lists in lists": {"half": [[[[[[[[[[]]]]]]]]]]},
    "a name that is none": {"\ud7ff": "1"},
}


BELIEVED = ("another half", "a half that is off by one")  # by a site that checks nothing; others have no form at all


def proposed(proposal, *, sign=True):
    """The site whose turn it is proposes this to the others; what these say."""
    table = table_at(PROPOSE)
    proposer = table.state["proposer"]
    seat = table.sites[proposer]
    total = (sum(NUMBERS) << 8) // 2
    proposal = {"half": str(total + 1)} if proposal == "one more" else proposal
    gift = memory(seat).opening
    said = seat.keys.sign(label(1, PROPOSE), _digest(proposal)) if sign else ""
    content = msgspec.json.encode({"opening": msgspec.to_builtins(gift), "proposal": proposal, "said": said})
    others = [site for site in ALL if site != proposer]
    sealed = seat.keys.seal_all(dict.fromkeys(others, content), label(1, PROPOSE))
    table.mail = {site: {**table.mail[site], proposer: sealed[site]} for site in others}
    table.state |= {"next": CONTRIBUTE, "question": 2}
    return proposer, refusals(table, CONTRIBUTE, lambda _, step: step, others)


@pytest.mark.parametrize("lie", PROPOSALS)
def test_a_proposal_that_does_not_follow_names_who_made_it(lie, attack_report):
    proposer, said = proposed(PROPOSALS[lie])
    assert (took(said), blamed(said)) == ([], {proposer}), {site: str(one) for site, one in said.items()}
    if lie in BELIEVED:
        attack_report(f"masked rounds: a proposal of {lie}", got=0, of=3, unit="hospitals that answered")


@pytest.mark.parametrize("half", [0, 1])
def test_a_proposal_that_was_not_signed_for_everybody_names_who_made_it(half):
    proposer, said = proposed({"half": str((sum(NUMBERS) << 8) // 2 + half)}, sign=False)
    assert (took(said), blamed(said)) == ([], {proposer})


def test_sites_that_believed_would_answer(monkeypatch, attack_report):
    def believed(_self, state, total, proposal, _sites):
        return {"question": state["question"] + 1, "about": proposal["half"], "persons": total[2]}

    monkeypatch.setattr(Toy, "follow", believed)
    for lie in BELIEVED:
        _, said = proposed(PROPOSALS[lie])
        assert len(took(said)) == 3
        attack_report(f"masked rounds: a proposal of {lie}", control=3, of=3, unit="hospitals that answered")


# --- a site that lies about its data --------------------------------------------------------------------------------
def hearts(seed, rows=200):
    source = np.random.default_rng(seed)
    x = source.normal(size=rows)
    y = (source.random(rows) < 1.0 / (1.0 + np.exp(-(0.8 * x - 0.2)))).astype(float)
    return {"x": x.tolist(), "y": y.tolist()}


def slope(tables):
    document = {
        "family": "binomial",
        "target": "y",
        "features": [{"name": "x"}],
        "purpose": "research",
        "l2": 0.0,
        "evaluation": {"bins": 2, "thresholds": 2},
    }
    fitted = MaskedRun(document, tables).fitted()
    terms = {term["name"]: float(term["coefficient"]) for term in fitted.content["terms"]}
    return terms["x"]


def test_how_far_one_seat_of_four_steers_the_fit_by_lying_about_its_data(attack_report):
    """Nobody finds out: its rows are its own. Reported as measured, in the slope that 200 rows of four each have."""
    tables = {site: hearts(number) for number, site in enumerate(ALL)}
    turned = {**tables, LIAR: {**tables[LIAR], "y": [1.0 - value for value in tables[LIAR]["y"]]}}
    extreme = {**tables, LIAR: {"x": [3.0, -3.0] * 100, "y": [0.0, 1.0] * 100}}
    honest = slope(tables)
    moved = abs(slope(turned) - honest) / abs(honest)
    further = abs(slope(extreme) - honest) / abs(honest)
    assert 0.0 < moved < further
    attack_report(
        "masked rounds: a seat that turns its outcomes around", got=moved, control=moved, unit="of the slope"
    )
    attack_report("masked rounds: a seat that invents rows", got=further, control=further, unit="of the slope")
