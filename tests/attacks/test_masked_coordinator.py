"""A coordinator that lies in a masked run, with a seat of its own that tells it everything: what it reads.

Each attack has its control: the same attack where that one check is off reads the number of the hospital.
"""

import base64
from dataclasses import replace

import msgspec
import pytest

from medspace.core.errors import InvalidInputError
from medspace.core.text import Text
from medspace.privacy.masking.seeds import round_seed
from medspace.privacy.masking.thresholds import Thresholds
from medspace.runs import manifest as manifests
from medspace.runs.masked import contributing
from medspace.runs.masked.errors import ProposalInvalidError, TotalInvalidError
from medspace.runs.masked.messages import (
    AGREE,
    CONTRIBUTE,
    OPEN,
    PROPOSE,
    RESULT,
    SHARE,
    Opening,
    QuestionProposal,
    SharedSeed,
    label,
    written,
)
from medspace.runs.masked.opening import SeatGroup
from medspace.trust import envelope, hybrid, jws
from medspace.trust.envelope import Context, EnvelopeKey
from tests.attacks.masked_spying import (
    agree,
    blamed,
    contribution,
    given,
    memory,
    number_of,
    opens,
    own_seed,
    posted,
    refusals,
    seen,
    took,
    total_seen,
)
from tests.masked import COORDINATOR, USER, Toy, at, keys_of, names

NUMBERS = (11, 22, 33, 44, 55, 66)
ALL = names(6)
SPY, VICTIM = ALL[0], ALL[5]
REST = [site for site in ALL if site != VICTIM]
EVERYBODY_MAY_LEAVE = tuple(range(6))


def table_at(step, question=1, **more):
    return at(step, question, NUMBERS, leaving=EVERYBODY_MAY_LEAVE, **more)


# --- two lists of survivors -----------------------------------------------------------------------------------------
def two_lists(forgetful):
    """All sign that all are in the total, then that all but the victim are; who opens both uncovers the victim."""
    table = table_at("agree")
    texts = dict(table.state["texts"])
    both, before = [], {}
    for number, survivors in enumerate((ALL, REST), 10):
        both.append(agree(table, {site: texts[site] for site in survivors}, number))
        before[number] = {site: table.sites[site].memory for site in survivors}
    outputs, errors = [], []
    for number, signed in enumerate(both, 10):
        found = {}
        for site in signed:
            if forgetful:  # the site remembers the list that it is shown, whatever it did after
                table.sites[site].memory = before[number][site]
            try:
                found[site] = opens(table, signed, site, 10 + number)
            except InvalidInputError as error:
                errors.append(error)
        outputs.append(found)
    of_all, of_rest = (seen(table, SPY, found) for found in outputs)
    pairs = {site: bytes.fromhex(one.pairs[VICTIM]) for site, one in of_rest.items()}
    held = memory(table.sites[SPY])
    shares = of_all | ({SPY: given(held)} if VICTIM in (held.agreed.survivors if held.agreed else {}) else {})
    pairs[SPY] = held.masks.pairs[VICTIM]
    missing = set(REST) - pairs.keys()
    number = None if missing else number_of(VICTIM, texts[VICTIM], own_seed(table, SPY, shares, VICTIM), pairs)
    return number, errors


def test_whoever_shows_two_lists_of_survivors_has_one_opened(attack_report):
    number, errors = two_lists(forgetful=False)
    assert number is None
    assert {(error.code, error.named) for error in errors} == {("masked.survivors", COORDINATOR)}
    assert len(errors) == len(REST)
    attack_report("masked rounds: two lists of survivors, one after the other", got=0, of=1, unit="hospitals")


def test_a_site_that_opened_both_would_be_read(attack_report):
    number, errors = two_lists(forgetful=True)
    assert (number, errors) == (NUMBERS[5], [])
    attack_report("masked rounds: two lists of survivors, one after the other", control=1, of=1, unit="hospitals")


def two_groups():
    """All sign that all are in the total, and only the victim opens that; the others sign and open another one."""
    table = table_at("agree")
    texts = dict(table.state["texts"])
    of_all = agree(table, texts, 10)
    spy = memory(table.sites[SPY])
    wide = seen(table, SPY, {VICTIM: opens(table, of_all, VICTIM, 11)}) | {SPY: given(spy)}
    of_rest = agree(table, {site: texts[site] for site in REST}, 12)
    other = memory(table.sites[SPY])
    outputs = {site: opens(table, of_rest, site, 13) for site in REST}
    narrow = seen(table, SPY, outputs) | {SPY: given(other)}
    all_of_them = total_seen(table, SPY, spy, wide)
    rest_of_them = total_seen(table, SPY, other, narrow)
    return None if all_of_them is None or rest_of_them is None else all_of_them - rest_of_them


def test_two_lists_to_two_groups_open_one_of_them(attack_report):
    assert two_groups() is None
    attack_report("masked rounds: two lists of survivors to two groups", got=0, of=1, unit="hospitals")


def test_two_groups_would_open_both_if_so_few_could_open(monkeypatch, attack_report):
    honest = Thresholds.for_seats.__func__
    low = classmethod(lambda cls, *terms: replace(honest(cls, *terms), opening=2))
    monkeypatch.setattr(Thresholds, "for_seats", low)
    monkeypatch.setattr(Thresholds, "check", lambda self: None)
    assert Thresholds.for_seats(6, 1, 3).problem is not None  # c < 2t - n is what forbids it
    low_table = at.__globals__["_at"]
    low_table.cache_clear()  # shares are dealt anew
    try:
        assert two_groups() == NUMBERS[5]
    finally:
        low_table.cache_clear()
    attack_report("masked rounds: two lists of survivors to two groups", control=1, of=1, unit="hospitals")


# --- asked twice ----------------------------------------------------------------------------------------------------
def summed(table, texts, number):
    """The total over those that contributed, as the spy sees it."""
    signed = agree(table, texts, number)
    spy = memory(table.sites[SPY])
    outputs = {site: opens(table, signed, site, number + 1) for site in texts}
    return total_seen(table, SPY, spy, seen(table, SPY, outputs) | {SPY: given(spy)})


def asked_twice(forgetful):
    """A total of all, then the same question to all but the victim."""
    table = table_at("contribute")
    before = {site: table.sites[site].memory for site in ALL}
    first = refusals(table, CONTRIBUTE, lambda _, step: step)
    table.mail = posted(first)
    of_all = summed(table, {site: output.values["signed"] for site, output in first.items()}, 10)
    for site in ALL if forgetful else ():
        table.sites[site].memory = before[site]
    table.mail = table_at("contribute").mail
    again = refusals(table, CONTRIBUTE, lambda _, step: replace(step, round=20), REST)
    if len(took(again)) < len(REST):
        return None, again
    table.mail = posted(again)
    return of_all - summed(table, {site: output.values["signed"] for site, output in again.items()}, 30), again


def test_a_site_answers_a_question_once(attack_report):
    number, said = asked_twice(forgetful=False)
    assert number is None
    assert (took(said), blamed(said)) == ([], {COORDINATOR})
    attack_report("masked rounds: the same question twice", got=0, of=1, unit="hospitals")


def test_a_site_that_forgot_that_it_had_answered_would_be_read(attack_report):
    number, _ = asked_twice(forgetful=True)
    assert number == NUMBERS[5]
    attack_report("masked rounds: the same question twice", control=1, of=1, unit="hospitals")


# --- rounds before --------------------------------------------------------------------------------------------------
def lost_in_round(last):
    """The victim is in all totals before the last one, and lost in that: the seeds of its masks there are opened."""
    toy = Toy(questions=last)
    table = at("contribute", 1, NUMBERS, leaving=EVERYBODY_MAY_LEAVE, toy=toy)
    texts, seeds = {}, {}
    for question in range(1, last):
        table.until(AGREE, question)
        texts[question] = table.state["texts"][VICTIM]
        table.until(PROPOSE, question)
        spy = table.sites[SPY]
        openings = {
            site: msgspec.json.decode(spy.keys.open(site, label(question, OPEN), sealed), type=Opening)
            for site, sealed in table.mail[SPY].items()
        }
        seeds[question] = own_seed(table, SPY, openings, VICTIM)
    table.until(CONTRIBUTE, last)
    table.gone = lambda site, step, _question: site == VICTIM and step != SHARE
    table.until(PROPOSE, last)
    spy = table.sites[SPY]
    held = memory(spy)
    pairs = {SPY: held.masks.pairs[VICTIM]}
    for site, sealed in table.mail[SPY].items():
        one = msgspec.json.decode(spy.keys.open(site, label(last, OPEN), sealed))
        pairs[site] = bytes.fromhex(one["pairs"][VICTIM])
    return [number_of(VICTIM, texts[question], seeds[question], pairs) for question in range(1, last)]


def test_what_is_opened_of_a_lost_site_opens_no_round_before(attack_report):
    found = lost_in_round(9)
    assert len(found) == 8
    assert NUMBERS[5] not in found
    attack_report("masked rounds: a site lost in round 9, the rounds before", got=0, of=8, unit="rounds")


def test_seeds_that_were_the_same_in_each_round_would_open_all_before(monkeypatch, attack_report):
    monkeypatch.setattr(
        contributing,
        "round_seed",
        lambda secret, manifest, _question, *names: round_seed(secret, manifest, 1, *names),
    )
    assert lost_in_round(9) == [NUMBERS[5]] * 8
    attack_report("masked rounds: a site lost in round 9, the rounds before", control=8, of=8, unit="rounds")


# --- another key for a peer -----------------------------------------------------------------------------------------
def in_the_middle():
    """The victim, which draws all seeds, gets keys of the coordinator in place of those of its peers."""
    table = table_at("share")
    victim = table.sites[ALL[0]]
    manifest = victim.keys.manifest
    keys = {peer: EnvelopeKey(bytes([number] * 96)) for number, peer in enumerate(ALL[1:], 1)}
    forged = [
        manifests.sign_key(manifest, peer, key.public, keys_of(COORDINATOR), leaves=True)
        for peer, key in keys.items()
    ]
    victim.keys = replace(victim.keys, texts=(victim.keys.texts[0], *forged))
    shared = refusals(table, SHARE, lambda _, step: step, {ALL[0]})[ALL[0]]
    if isinstance(shared, InvalidInputError):
        return None, shared
    answer = refusals(table, CONTRIBUTE, lambda _, step: replace(step, round=2, inputs={"question": 1}), {ALL[0]})
    output = answer[ALL[0]]
    member = victim.keys.identity.member(ALL[0])
    pairs, shares, me = {}, {}, ALL[0]
    for peer, key in keys.items():
        about = Context(manifest.run, manifest.digest, me, peer, label(0, SHARE))
        seed = envelope.open_sealed(shared.outbox[peer], about, key, member, victim.keys._now)
        secret = envelope.pair_secret(seed, about, (victim.keys._public(me), key.public), shared.outbox[peer])
        pairs[peer] = round_seed(secret, manifest.digest, 1, "sum", me, peer)
        about = replace(about, label=label(1, CONTRIBUTE))
        content = envelope.open_sealed(output.outbox[peer], about, key, member, victim.keys._now)
        shares[peer] = msgspec.json.decode(content, type=SharedSeed).share
    opened = {peer: Opening({me: share}, {}) for peer, share in shares.items()}
    return number_of(me, output.values["signed"], own_seed(table, me, opened, me), pairs), None


def test_the_key_of_a_peer_is_the_one_that_it_signed(attack_report):
    number, refused = in_the_middle()
    assert (number, refused.code) == (None, "run.seat_key")
    attack_report("masked rounds: other keys in place of those of all peers", got=0, of=1, unit="hospitals")


def test_keys_that_nobody_looked_at_would_open_everything(monkeypatch, attack_report):
    def believed(text, manifest, seat, _at):
        found = msgspec.json.decode(hybrid.unproven(text))
        return manifests.SeatKey(seat.did, jws.decode(found["key"]), text, leaves=True)

    monkeypatch.setattr(manifests, "read_key", believed)
    number, _ = in_the_middle()
    assert number == NUMBERS[0]
    attack_report("masked rounds: other keys in place of those of all peers", control=1, of=1, unit="hospitals")


# --- what is carried ------------------------------------------------------------------------------------------------
def earlier_contribution(site, step):
    texts = table_at(AGREE, 1).state["texts"]
    other = next(one for one in ALL if one != site)
    return replace(step, inputs={**step.inputs, "texts": {**step.inputs["texts"], other: texts[other]}})


def earlier_list(_site, step):
    return replace(step, inputs={**step.inputs, "texts": table_at(OPEN, 1).state["texts"]})


def earlier_mail(kind):
    def lie(site, step):
        return replace(step, inbox=table_at(kind, 1).mail.get(site, {}))

    return lie


def other_run(kind, question, what):
    """The same message of a run of the same task, by the same sites, under another manifest."""

    def lie(site, step):
        other = table_at(kind, question, nonce="1" * 64)
        if what == "mail":
            return replace(step, inbox=other.mail.get(site, {}))
        mine = {site: step.inputs["texts"][site]}
        return replace(step, inputs={**step.inputs, "texts": other.state["texts"] | mine})

    return lie


def without(what):
    def lie(site, step):
        kept = {one: text for one, text in step.inputs.get("texts", {}).items() if one in (site, *ALL[:2])}
        inbox = dict(list(step.inbox.items())[:1])
        return replace(step, inputs={**step.inputs, "texts": kept}) if what == "texts" else replace(step, inbox=inbox)

    return lie


def altered(_site, step):
    """A vector of another site with another number in it, in place of what that signed."""
    texts = dict(step.inputs["texts"])
    for site, text in texts.items():
        if site != _site:
            said = contribution(text)
            words = bytearray(base64.b64decode(said.words))
            words[0] ^= 1
            header, _, *signature = text.split(".")
            forged = msgspec.structs.replace(
                said, words=base64.b64encode(words).decode(), digest=f"sha256:{envelope.sha256(words).hexdigest()}"
            )
            texts[site] = ".".join((header, jws.encode(written(forged)), *signature))
    return replace(step, inputs={**step.inputs, "texts": texts})


def names_others(_site, step):
    texts = dict(step.inputs["texts"])
    return replace(step, inputs={**step.inputs, "texts": texts | {"did:web:site999": next(iter(texts.values()))}})


def without_me(site, step):
    texts = {one: text for one, text in step.inputs["texts"].items() if one != site}
    return replace(step, inputs={**step.inputs, "texts": texts})


def for_another(site, step):
    """The mail of the next site."""
    return replace(step, inbox=table_at(step.name, 2).mail.get(ALL[(ALL.index(site) + 1) % 6], {}))


def no_form(_site, step):
    return replace(step, inputs={"question": "one", "texts": [1]})


CARRIED = {
    "a contribution of an earlier question": (AGREE, 2, earlier_contribution),
    "a contribution of another run": (AGREE, 1, other_run(AGREE, 1, "texts")),
    "contributions that were changed on the way": (AGREE, 1, altered),
    "a list that names others": (AGREE, 1, names_others),
    "a list without this site": (AGREE, 1, without_me),
    "a list of too few": (AGREE, 1, without("texts")),
    "shares of an earlier question": (AGREE, 2, earlier_mail(AGREE)),
    "shares for another site": (AGREE, 2, for_another),
    "shares of another run": (AGREE, 1, other_run(AGREE, 1, "mail")),
    "shares that are kept from it": (AGREE, 1, without("inbox")),
    "inputs of no form": (AGREE, 1, no_form),
    "a list of an earlier question": (OPEN, 2, earlier_list),
    "a list of another run": (OPEN, 1, other_run(OPEN, 1, "texts")),
    "signatures of a few": (OPEN, 1, without("texts")),
    "openings of an earlier question": (PROPOSE, 2, earlier_mail(PROPOSE)),
    "openings of another run": (PROPOSE, 1, other_run(PROPOSE, 1, "mail")),
    "openings that are kept from it": (PROPOSE, 1, without("inbox")),
    "a proposal of an earlier question": (CONTRIBUTE, 3, earlier_mail(RESULT)),
    "a proposal of another run": (CONTRIBUTE, 2, other_run(CONTRIBUTE, 2, "mail")),
    "a proposal that is kept from it": (CONTRIBUTE, 2, without("inbox")),
    "seeds of another run": (CONTRIBUTE, 1, other_run(CONTRIBUTE, 1, "mail")),
}


def needs(site, step, question):
    """Whether there is anything in the step that the site has not by itself."""
    if step == CONTRIBUTE and question > 1:
        return site != table_at(PROPOSE, question - 1).state["proposer"]
    return not (step == CONTRIBUTE and site == ALL[0])


@pytest.mark.parametrize("attack", CARRIED)
def test_what_is_carried_wrongly_is_refused_and_names_who_carries(attack, attack_report):
    step, question, lie = CARRIED[attack]
    if attack == "a proposal of an earlier question":
        lie = lambda site, due: replace(due, inbox=table_at(CONTRIBUTE, 2).mail.get(site, {}))  # noqa: E731
    table = table_at(step, question)
    said = refusals(table, step, lie)
    honest = {site: outcome for site, outcome in said.items() if needs(site, step, question)}
    assert (took(honest), blamed(honest)) == ([], {COORDINATOR}), {site: str(one) for site, one in honest.items()}
    if attack == "contributions that were changed on the way":  # the others are refused by more than one check
        attack_report(f"masked rounds: {attack}", got=0, of=len(honest), unit="sites that took it")


def unsigned(monkeypatch):
    """Nobody looks at what messages say to be about, or at who signed them."""
    for name in ("proven", "announced"):
        monkeypatch.setattr(envelope, name, lambda text, *_, **__: jws.decode(text.split(".")[1]))

    def opened(sealed, context, key, *_, **__):
        header, ciphertext, *_ = sealed.split(".")
        return key.opened(jws.decode(ciphertext), jws.decode(header))

    monkeypatch.setattr(envelope, "open_sealed", opened)


def test_unsigned_contributions_would_be_added_up(monkeypatch, attack_report):
    """(Messages of another question or run are refused a second time: by what they are committed to.)"""
    attack = "contributions that were changed on the way"
    step, question, lie = CARRIED[attack]
    table = table_at(step, question)
    unsigned(monkeypatch)
    said = refusals(table, step, lie)
    assert len(took(said)) == 6
    attack_report(f"masked rounds: {attack}", control=len(took(said)), of=len(said), unit="sites that took it")


# --- the order of steps ---------------------------------------------------------------------------------------------
ORDERS = [
    (SHARE, CONTRIBUTE, 1),
    (AGREE, CONTRIBUTE, 1),
    (OPEN, CONTRIBUTE, 1),
    (PROPOSE, CONTRIBUTE, 1),
    (RESULT, CONTRIBUTE, 1),
    (SHARE, AGREE, 1),
    (CONTRIBUTE, AGREE, 1),
    (OPEN, AGREE, 1),
    (PROPOSE, AGREE, 1),
    (RESULT, AGREE, 1),
    (CONTRIBUTE, OPEN, 1),
    (PROPOSE, OPEN, 1),
    (RESULT, OPEN, 1),
    (AGREE, PROPOSE, 1),
    (OPEN, PROPOSE, 1),
    (CONTRIBUTE, PROPOSE, 1),
    (RESULT, CONTRIBUTE, 2),
    (AGREE, CONTRIBUTE, 2),
    (PROPOSE, CONTRIBUTE, 2),
    (CONTRIBUTE, RESULT, 3),
]


@pytest.mark.parametrize(("asked", "due", "question"), ORDERS)
def test_a_step_out_of_turn_is_refused(asked, due, question):
    table = table_at(due, question)
    before = {site: seat.memory for site, seat in table.sites.items()}
    # What the step needs is carried as well as it can be.
    said = refusals(table, asked, lambda _, step: step, ALL)
    assert (took(said), blamed(said)) == ([], {COORDINATOR}), {site: str(one) for site, one in said.items()}
    assert {site: seat.memory for site, seat in table.sites.items()} == before


@pytest.mark.parametrize("step", [SHARE, CONTRIBUTE, AGREE, OPEN, PROPOSE])
def test_a_step_that_is_asked_again_with_another_number_is_refused(step):
    table = table_at(step)
    asked = table.due()
    for site, due in asked.items():
        table.sites[site].do(due)
    table.number -= 1
    said = refusals(table, step, lambda _, due: replace(due, round=99))
    assert (took(said), blamed(said)) == ([], {COORDINATOR})


# --- two manifests --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("terms", [{"nonce": "2" * 64}, {"min_sites": 4}, {"colluders": 0}])
def test_two_manifests_lead_nowhere(terms):
    """Half of the sites are shown one with other terms: no key of a seat is one under the other."""
    one, other = table_at(SHARE), table_at(SHARE, **terms)
    assert one.sites[SPY].keys.manifest.user == USER
    for site in ALL[3:]:
        texts = [one.sites[peer].keys.texts[ALL.index(peer)] for peer in ALL[:3]]
        mixed = (*texts, *other.sites[site].keys.texts[3:])
        one.sites[site].keys = replace(other.sites[site].keys, texts=mixed)
    for site in ALL[:3]:
        mixed = (*one.sites[site].keys.texts[:3], *other.sites[site].keys.texts[3:])
        one.sites[site].keys = replace(one.sites[site].keys, texts=mixed)
    said = refusals(one, SHARE, lambda _, step: step)
    assert took(said) == []
    assert {error.code for error in said.values()} == {"run.seat_key"}


class Another:
    """Keys that say another manifest to whoever derives seeds."""

    def __init__(self, keys):
        self._keys = keys

    def __getattr__(self, name):
        return getattr(self._keys, name)

    @property
    def terms(self):
        return replace(self._keys.terms, manifest="sha256:" + "9" * 64)


def summed_up(monkeypatch):
    """Whether a total comes out of two halves under two manifests, where only the seeds of masks differ."""
    unsigned(monkeypatch)
    monkeypatch.setattr(SeatGroup, "committed", lambda *_: True)
    monkeypatch.setattr("medspace.runs.masked.opening.check_contributions", lambda *_: None)
    monkeypatch.setattr("medspace.runs.masked.messages.proposer", lambda _manifest, _question, seats: min(seats))
    table = table_at(SHARE)
    for site in ALL[3:]:
        table.sites[site].keys = Another(table.sites[site].keys)
    try:
        table.until(CONTRIBUTE, 2)
    except TotalInvalidError:
        return False
    return True


def test_masks_of_two_manifests_make_noise(monkeypatch, attack_report):
    assert not summed_up(monkeypatch)
    attack_report("masked rounds: two manifests", got=0, of=1, unit="totals opened")


def test_masks_that_are_of_no_manifest_would_make_a_total(monkeypatch, attack_report):
    same = "sha256:" + "0" * 64
    monkeypatch.setattr(contributing, "round_seed", lambda secret, _manifest, *more: round_seed(secret, same, *more))
    assert summed_up(monkeypatch)
    attack_report("masked rounds: two manifests", control=1, of=1, unit="totals opened")


# --- what is asked next ---------------------------------------------------------------------------------------------
CHOSEN = {"half": "12345"}


def chosen_question(monkeypatch):
    """The site that proposes belongs to the coordinator, which chooses what the others are asked."""
    table = table_at(PROPOSE)
    proposer = table.state["proposer"]
    monkeypatch.setattr(Toy, "propose", lambda *_: CHOSEN)
    with monkeypatch.context() as believing:
        believing.setattr(Toy, "follow", believed)
        table.until(CONTRIBUTE, 2)
    others = [site for site in ALL if site != proposer]
    said = refusals(table, CONTRIBUTE, lambda _, step: step, others)
    return proposer, said, [table.sites[site].engine.task.summing.asked for site in took(said)]


def believed(_self, state, total, proposal, _sites):
    return {"question": state["question"] + 1, "about": proposal["half"], "persons": total[2]}


def test_nobody_chooses_what_is_asked_next(monkeypatch, attack_report):
    proposer, said, asked = chosen_question(monkeypatch)
    assert (took(said), blamed(said), asked) == ([], {proposer}, [])
    assert {error.code for error in said.values()} == {"masked.proposal_invalid"}
    attack_report(
        "masked rounds: a question of the coordinator's choice", got=0, of=5, unit="hospitals that answered"
    )


def test_a_site_that_checked_no_proposal_would_answer_it(monkeypatch, attack_report):
    monkeypatch.setattr(Toy, "follow", believed)
    _, said, asked = chosen_question(monkeypatch)
    assert len(took(said)) == 5
    assert all(one.inputs == {"about": 12345} for ((_, one),) in asked)
    attack_report(
        "masked rounds: a question of the coordinator's choice", control=5, of=5, unit="hospitals that answered"
    )


def forged(table):
    """A proposal of the coordinator's own, sealed for each site as if the proposer had; it has all public keys."""
    proposer = table.state["proposer"]
    keys = table.sites[proposer].keys
    true = memory(table.sites[proposer])
    about = Context(keys.manifest.run, keys.manifest.digest, proposer, "", label(1, PROPOSE))
    content = written(QuestionProposal(true.opening, CHOSEN, keys.sign(label(1, PROPOSE), b"")))
    others = {site: keys._public(site) for site in ALL if site != proposer}
    sealed = envelope.seal_all(dict.fromkeys(others, content), about, others, keys_of(COORDINATOR))
    return proposer, lambda site, step: replace(step, inbox={**step.inbox, proposer: sealed.get(site, "")})


def test_a_proposal_that_nobody_made_is_refused(attack_report):
    table = table_at(CONTRIBUTE, 2)
    proposer, lie = forged(table)
    said = refusals(table, CONTRIBUTE, lie, [site for site in ALL if site != proposer])
    assert (took(said), blamed(said)) == ([], {COORDINATOR})
    attack_report("masked rounds: a proposal that the coordinator wrote", got=0, of=5, unit="hospitals that answered")


def test_a_proposal_that_nobody_made_would_be_believed(monkeypatch, attack_report):
    """(Where its signature is not looked at; what it says is looked at besides, and names the wrong one.)"""
    table = table_at(CONTRIBUTE, 2)
    proposer, lie = forged(table)
    unsigned(monkeypatch)
    monkeypatch.setattr("medspace.runs.masked.proposing.check_signed", lambda *_: None)
    monkeypatch.setattr(Toy, "follow", believed)
    said = refusals(table, CONTRIBUTE, lie, [site for site in ALL if site != proposer])
    assert len(took(said)) == 5
    attack_report(
        "masked rounds: a proposal that the coordinator wrote", control=5, of=5, unit="hospitals that answered"
    )


# --- forks ----------------------------------------------------------------------------------------------------------
def forked(monkeypatch, proposer_lies):
    """Half of the sites are brought another question: of the site that proposes, or of another one.

    The task is one that leaves room for it: it takes a half that is off by one.
    """
    monkeypatch.setattr(Toy, "follow", roughly)
    true = table_at(PROPOSE)
    other = true.copied()
    proposer = true.state["proposer"]
    if not proposer_lies:
        other.state["proposer"] = next(site for site in ALL if site != proposer)
    true.until(CONTRIBUTE, 2)
    with monkeypatch.context() as lying:
        lying.setattr(Toy, "propose", lambda _self, _state, total: {"half": str(total[0] // 2 + 1)})
        other.until(CONTRIBUTE, 2)
    first, second = true.due(), other.due()
    for site in [site for site in ALL if site != proposer][3:]:
        true.sites[site], first[site] = other.sites[site], second[site]
    outputs = {site: true.sites[site].do(first[site]) for site in ALL}
    true.mail = posted(outputs)
    true.number, true.state["next"] = 20, AGREE
    true.state["texts"] = {site: output.values["signed"] for site, output in outputs.items()}
    return proposer, refusals(true, AGREE, lambda _, step: step)


@pytest.mark.parametrize("proposer_lies", [True, False])
def test_two_questions_at_once_are_refused_and_name_who_proposed_or_carried_two(
    proposer_lies, monkeypatch, attack_report
):
    proposer, said = forked(monkeypatch, proposer_lies)
    assert took(said) == []
    assert blamed(said) == {proposer if proposer_lies else COORDINATOR}
    attack_report("masked rounds: two questions to two halves", got=0, of=6, unit="hospitals that went on")


@pytest.mark.parametrize("proposer_lies", [True, False])
def test_sites_that_did_not_compare_would_add_up_answers_to_two_questions(proposer_lies, monkeypatch, attack_report):
    monkeypatch.setattr("medspace.runs.masked.proposing.check_same", lambda *_: None)
    _, said = forked(monkeypatch, proposer_lies)
    assert len(took(said)) == 6
    attack_report("masked rounds: two questions to two halves", control=6, of=6, unit="hospitals that went on")


def roughly(_self, state, total, proposal, _sites):
    if abs(int(proposal["half"]) - total[0] // 2) > 1:
        raise ProposalInvalidError(state["question"], Text("it is not half of it"))
    return {"question": state["question"] + 1, "about": proposal["half"], "persons": total[2]}
