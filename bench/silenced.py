"""Ways to silence an audit: logs that a user or a holder doctored and signed anew, and what the audit says of each.

A company asked a hospital for things that it does not want to be asked about; the logs are built here with the real
entries, signatures and members lists, then doctored. No way may end in "verified", nor with exit code 0. The honest
control must.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from medspace.app.features.audit.auditing import read_list
from medspace.app.features.audit.verbs import EXIT_CODES
from medspace.core.canonical import Json
from medspace.core.clock import stamp
from medspace.core.hashing import digest, digest_bytes
from medspace.core.signing import Ed25519Signer
from medspace.ledger import audit
from medspace.ledger.bundle import FORMAT, Bundle
from medspace.ledger.merkle import Tree, leaf_hash
from medspace.ledger.model import Checkpoint, Entry
from medspace.ledger.note import SignedNote, checkpoint_text
from medspace.ledger.report import Report
from medspace.trust.members import sign_members
from medspace.trust.model import Member, MemberList

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("authority", "hospital", "company")
AUTHORITY, HOSPITAL, COMPANY = (f"did:web:{name}.example" for name in NAMES)
SIGNERS = {did: Ed25519Signer.from_seed(bytes([at] * 32)) for at, did in enumerate((AUTHORITY, HOSPITAL, COMPANY))}
TASK, PROBE = digest({"task": "honest"}), digest({"task": "probe"})
AGREEMENT = "urn:agreement:1"
ROUNDS, PROBES = 3, 20
HOUR = 3600


def members_list(members: Sequence[str], issued: datetime, *, keys: Mapping[str, bytes] | None = None) -> str:
    """The authority's signed list of these members."""
    known = {did: signer.public_key for did, signer in SIGNERS.items()} | dict(keys or {})
    listed = tuple(Member(did, did, "DE", (), known[did]) for did in members)
    return sign_members(SIGNERS[AUTHORITY], MemberList(AUTHORITY, issued, issued + timedelta(days=30), listed))


@dataclass
class Story:
    """What three parties write, one second after the other. `lists` is the members list that lies with each log."""

    logs: dict[str, list[Entry]] = field(default_factory=lambda: {did: [] for did in SIGNERS})
    lists: dict[str, str] = field(default_factory=dict)
    seconds: int = 0
    twins: list[Bundle] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        """The time of the story."""
        return BEGIN + timedelta(seconds=self.seconds)

    def note(self, did: str, kind: str, **facts: Json) -> None:
        """A party writes an entry."""
        self.seconds += 1
        self.logs[did].append(Entry(kind, stamp(self.now), did, facts))

    def publish(self, *members: str) -> None:
        """The authority signs a list, everybody gets it."""
        self.seconds += 2
        text = members_list(members, self.now.replace(microsecond=0))
        self.note(AUTHORITY, "members.published", list=digest_of(text))
        self.lists = dict.fromkeys(SIGNERS, text)

    def keep(self, did: str, wanted: Callable[[Entry], bool]) -> None:
        """A party drops every entry that is not wanted."""
        self.logs[did] = [entry for entry in self.logs[did] if wanted(entry)]

    def edit(self, did: str, kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """A party rewrites the facts of every entry of that kind."""
        self.logs[did] = [
            Entry(one.kind, one.time, one.actor, change(one.facts)) if one.kind == kind else one
            for one in self.logs[did]
        ]

    def bundle(self, did: str, *, signer: Ed25519Signer | None = None) -> Bundle:
        """The log of a party as it stands, properly signed."""
        entries = tuple(entry.encode().decode() for entry in self.logs[did])
        tree = Tree(leaf_hash(entry.encode()) for entry in entries)
        text = checkpoint_text(Checkpoint(did, tree.size, tree.root(tree.size)))
        signed = SignedNote(text).signed(did, signer or SIGNERS[did]).render()
        return Bundle(format=FORMAT, origin=did, checkpoint=signed, members=self.lists[did], entries=entries)

    def audit(self) -> Report:
        """What an auditor says who has all bundles."""
        bundles = [self.bundle(did) for did in SIGNERS if did not in self.absent]
        key = SIGNERS[AUTHORITY].public_key
        return audit.verify([*bundles, *self.twins], key, self.now + timedelta(minutes=1), read_list)


def digest_of(text: str) -> str:
    """The digest by which an authority's log names a list."""
    return digest_bytes(text.encode())


# -- what happens


def agreed() -> Story:
    """Two members, an agreement."""
    story = Story()
    for did in (HOSPITAL, COMPANY):
        story.note(AUTHORITY, "member.admitted", member=did)
    story.publish(HOSPITAL, COMPANY)
    said = {"agreement": AGREEMENT, "agreement_digest": digest({"@id": AGREEMENT})}
    for step in ("agreed", "verified", "finalized"):
        for did, other, role in ((HOSPITAL, COMPANY, "provider"), (COMPANY, HOSPITAL, "consumer")):
            facts = {"role": role, "pid": f"urn:{role}:1", "counterparty": other}
            story.note(did, f"negotiation.{step}", **facts, **said)
    return story


def move(story: Story, step: str, use: str) -> None:
    """The transfer of a use comes to a state, on both sides."""
    what = {"agreement": AGREEMENT, "format": "medspace:train"}
    mine, theirs = f"urn:use:{use}", f"urn:transfer:{use}"
    story.note(COMPANY, f"transfer.{step}", role="consumer", pid=mine, counterparty=HOSPITAL, peer_pid=theirs, **what)
    story.note(HOSPITAL, f"transfer.{step}", role="provider", pid=theirs, counterparty=COMPANY, peer_pid=mine, **what)


def ask(story: Story, use: str, task: str, number: int, *, answered: bool = True) -> None:
    """The hospital admits a question of a use and, unless it hides that, releases the answer."""
    story.note(
        HOSPITAL,
        "use.admitted",
        admission=f"urn:admission:{use}:{len(story.logs[HOSPITAL])}",
        agreement=AGREEMENT,
        transfer=f"urn:transfer:{use}",
        user=COMPANY,
        asset="heart",
        use_kind="medspace:train",
        purpose="ehds:HealthcareScientificResearch",
        task=task,
        round=number,
        step="newton",
        question=digest({"question": [use, number]}),
    )
    admission = story.logs[HOSPITAL][-1].facts["admission"]
    if answered:
        facts = {"release": f"urn:release:{use}:{len(story.logs[HOSPITAL])}", "admission": admission}
        said = digest({"answer": [use, len(story.logs[HOSPITAL])]})
        story.note(HOSPITAL, "use.released", **facts, output="newton", round=number, digest=said)


def answer(story: Story, use: str) -> dict[str, Any]:
    """The hospital's latest answer as the run names it."""
    facts = next(entry.facts for entry in reversed(story.logs[HOSPITAL]) if entry.kind == "use.released")
    names = {name: facts[name] for name in ("release", "digest")}
    return {"site": HOSPITAL, "use": f"urn:use:{use}", **names}


def start(story: Story, use: str, task: str) -> None:
    """The company begins a run."""
    facts = {"task": task, "agreements": [AGREEMENT], "sites": [HOSPITAL], "protection": "coordinator-sees-sums"}
    story.note(COMPANY, "run.started", run=f"urn:run:{use}", **facts)


def round_of(story: Story, use: str, number: int, answers: Sequence[dict[str, Any]]) -> None:
    """The company notes a round."""
    question = digest({"question": [use, number]})
    facts = {"round": number, "step": "newton", "answers": list(answers), "model": question}
    story.note(COMPANY, "run.round", run=f"urn:run:{use}", **facts)


def finish(story: Story, use: str, rounds: int, **facts: Json) -> None:
    """The company notes a model."""
    said = {"model": digest({"model": use}), "rounds": rounds, "sites": [HOSPITAL]}
    said |= {"protection": "coordinator-sees-sums", "fitted": digest({"question": [use, rounds]})}
    story.note(COMPANY, "run.finished", run=f"urn:run:{use}", **{**said, **facts})


def honest() -> Story:
    """One run of three rounds."""
    story = agreed()
    move(story, "requested", "honest")
    move(story, "started", "honest")
    start(story, "honest", TASK)
    for number in range(1, ROUNDS + 1):
        ask(story, "honest", TASK, number)
        round_of(story, "honest", number, [answer(story, "honest")])
    finish(story, "honest", ROUNDS)
    move(story, "completed", "honest")
    return story


def probed(
    numbers: Sequence[int] = tuple(range(1, PROBES + 1)),
    *,
    run: bool = False,
    noted: bool = False,
    answered: bool = True,
) -> Story:
    """Behind the honest run, a use with twenty questions. The company notes a run, or its rounds, where it likes."""
    story = honest()
    move(story, "requested", "probe")
    move(story, "started", "probe")
    if run:
        start(story, "probe", PROBE)
    for number in numbers:
        ask(story, "probe", PROBE, number, answered=answered)
        if noted:
            round_of(story, "probe", number, [answer(story, "probe")] if answered else [])
    return story


# -- the ways


def closed(story: Story) -> Story:
    """The use is over, the company's log goes on."""
    move(story, "completed", "probe")
    return story


def no_run() -> Story:
    """The company's log has no run."""
    return closed(probed())


def endless_run() -> Story:
    """The company's log has a run of that task which notes nothing and never ends."""
    return closed(probed(run=True))


def long_endless_run() -> Story:
    """The same, a day later."""
    story = endless_run()
    story.seconds += 24 * HOUR
    story.note(COMPANY, "offer.withdrawn", asset="nothing")
    return story


def failed_run() -> Story:
    """The run was cancelled."""
    story = closed(probed(run=True))
    story.note(COMPANY, "run.failed", run="urn:run:probe", code="run.cancelled")
    return story


def many_failed_runs() -> Story:
    """One cancelled run for each question."""
    story = probed()
    for number in range(PROBES):
        start(story, f"probe:{number}", PROBE)
        story.note(COMPANY, "run.failed", run=f"urn:run:probe:{number}", code="run.cancelled")
    return closed(story)


def one_use_each() -> Story:
    """One use and one cancelled run for each question."""
    story = honest()
    for number in range(PROBES):
        use = f"probe:{number}"
        move(story, "requested", use)
        move(story, "started", use)
        start(story, use, PROBE)
        ask(story, use, PROBE, 1)
        story.note(COMPANY, "run.failed", run=f"urn:run:{use}", code="run.cancelled")
        move(story, "completed", use)
    return story


def one_number() -> Story:
    """Twenty rounds, all numbered 2, and a model of nothing."""
    story = probed([2] * PROBES, run=True, noted=True)
    finish(story, "probe", PROBES, fitted=digest({"question": ["probe", 2]}), model=digest({"any": "thing"}))
    return closed(story)


def invented_model() -> Story:
    """An honest run names as its model what no round leads to."""
    story = honest()
    story.edit(COMPANY, "run.finished", lambda facts: facts | {"fitted": digest({"any": "thing"})})
    return story


def fewer_rounds() -> Story:
    """The run leaves its last round out."""
    story = honest()
    story.keep(COMPANY, lambda entry: entry.kind != "run.round" or entry.facts["round"] < ROUNDS)
    shorter = {"rounds": ROUNDS - 1, "fitted": digest({"question": ["honest", ROUNDS - 1]})}
    story.edit(COMPANY, "run.finished", lambda facts: facts | shorter)
    return story


def skipped_round() -> Story:
    """The run leaves a round in the middle out."""
    story = honest()
    story.keep(COMPANY, lambda entry: entry.kind != "run.round" or entry.facts["round"] != 2)
    return story


def no_answers() -> Story:
    """The run notes its rounds, and no answer in them."""
    story = honest()
    story.edit(COMPANY, "run.round", lambda facts: facts | {"answers": []})
    return story


def no_end_in_use() -> Story:
    """The holder drops what became of twenty questions; the company noted a run in which nobody answered."""
    story = probed(run=True, noted=True, answered=False)
    story.note(COMPANY, "run.failed", run="urn:run:probe", code="run.too_few_sites")
    return closed(story)


def no_end_at_last() -> Story:
    """The holder drops what became of one question, the last of its use; its log goes on."""
    story = probed([1], run=True, noted=True, answered=False)
    story.note(COMPANY, "run.failed", run="urn:run:probe", code="run.too_few_sites")
    closed(story)
    story.seconds += 2 * HOUR
    story.note(HOSPITAL, "offer.withdrawn", asset="nothing")
    return story


def no_end_yet() -> Story:
    """The same, and the holder exports its log at once."""
    story = probed([1], run=True, noted=True, answered=False)
    story.note(COMPANY, "run.failed", run="urn:run:probe", code="run.too_few_sites")
    return closed(story)


def asked_outside_a_run() -> Story:
    """Twenty questions of no run, all withheld: what is withheld tells something too."""
    story = probed(answered=False)
    story.logs[HOSPITAL] = [line for entry in story.logs[HOSPITAL] for line in with_end(entry)]
    return closed(story)


def asked_beside_a_run() -> Story:
    """Twenty questions of the honest run's task, all withheld, in a use that the run knows nothing of."""
    story = honest()
    move(story, "requested", "probe")
    move(story, "started", "probe")
    for number in range(1, PROBES + 1):
        ask(story, "probe", TASK, number, answered=False)
        admission = story.logs[HOSPITAL][-1].facts["admission"]
        story.note(HOSPITAL, "use.withheld", admission=admission, code="use.withheld")
    return closed(story)


def with_end(entry: Entry) -> list[Entry]:
    """A question of the probe, and that its answer was withheld."""
    if entry.kind != "use.admitted" or entry.facts["task"] != PROBE:
        return [entry]
    facts = {"admission": entry.facts["admission"], "code": "privacy.cohort"}
    return [entry, Entry("use.withheld", entry.time, entry.actor, facts)]


def two_answers() -> Story:
    """The hospital answers one round twice, otherwise; the company notes one of the answers."""
    story = probed([1], run=True, noted=True)
    ask(story, "probe", PROBE, 1)
    finish(story, "probe", 1)
    return closed(story)


def backwards() -> Story:
    """The hospital answers a round that is behind the use; the company notes the rounds in the order that fits."""
    story = probed([2], run=True)
    second = answer(story, "probe")
    ask(story, "probe", PROBE, 1)
    round_of(story, "probe", 1, [answer(story, "probe")])
    round_of(story, "probe", 2, [second])
    finish(story, "probe", 2)
    return closed(story)


def after_the_end() -> Story:
    """The hospital answers once more after the use was over."""
    story = closed(probed([1], run=True, noted=True))
    ask(story, "probe", PROBE, 2)
    round_of(story, "probe", 2, [answer(story, "probe")])
    finish(story, "probe", 2)
    return story


def other_kind() -> Story:
    """The hospital calls the probes statistics, which need no run; the company noted a use for training."""
    story = no_run()
    other = {"format": "medspace:statistics", "use_kind": "medspace:statistics"}

    def renamed(entry: Entry) -> Entry:
        facts = {name: other.get(name, fact) for name, fact in entry.facts.items()}
        return Entry(entry.kind, entry.time, entry.actor, facts) if "probe" in str(facts) else entry

    story.logs[HOSPITAL] = [renamed(entry) for entry in story.logs[HOSPITAL]]
    return story


def removed_member() -> Story:
    """The company is removed, goes on, and shows the old list."""
    story = honest()
    old = story.lists[COMPANY]
    story.note(AUTHORITY, "member.removed", member=COMPANY)
    story.publish(HOSPITAL)
    story.lists[COMPANY] = old
    start(story, "late", PROBE)
    story.note(COMPANY, "run.failed", run="urn:run:late", code="run.cancelled")
    return story


def removed_member_alone() -> Story:
    """The same, where only the list in the hospital's bundle tells: the log of the authority is not there."""
    story = removed_member()
    story.absent = {AUTHORITY}
    return story


def two_lists() -> Story:
    """Two lists of the same second, one with the company and one without."""
    story = honest()
    issued = read_list(story.lists[COMPANY], SIGNERS[AUTHORITY].public_key).issued
    story.lists[HOSPITAL] = members_list([HOSPITAL], issued)
    return story


def unpublished_list() -> Story:
    """A list that the authority signed for the company alone and does not have in its log."""
    story = honest()
    story.lists[COMPANY] = members_list([HOSPITAL, COMPANY], story.now - timedelta(seconds=30))
    story.seconds += 60
    story.note(AUTHORITY, "offer.withdrawn", asset="nothing")  # its log goes on
    return story


def replaced_key() -> Story:
    """Somebody signs on with a key that a later list replaced."""
    story = honest()
    story.absent = {AUTHORITY}
    other = {COMPANY: Ed25519Signer.from_seed(bytes([9] * 32)).public_key}
    story.seconds += 2
    story.lists[HOSPITAL] = members_list([HOSPITAL, COMPANY], story.now, keys=other)
    story.seconds += 2
    start(story, "late", PROBE)
    story.note(COMPANY, "run.failed", run="urn:run:late", code="run.cancelled")
    return story


def two_histories() -> Story:
    """The company shows its bundle without the probes, and somebody has another one with them."""
    story = probed(run=True, noted=True)
    finish(story, "probe", PROBES)
    closed(story)
    story.twins = [story.bundle(COMPANY)]
    story.keep(COMPANY, lambda entry: "probe" not in str(entry.facts))
    story.note(COMPANY, "offer.withdrawn", asset="nothing")
    return story


def one_release_twice() -> Story:
    """The hospital writes two answers under the identity of one, which the company noted."""
    story = probed([1], run=True, noted=True)
    ask(story, "probe", PROBE, 1)
    first = next(entry.facts["release"] for entry in story.logs[HOSPITAL] if "urn:release:probe" in str(entry.facts))
    story.edit(
        HOSPITAL, "use.released", lambda facts: facts | ({"release": first} if "probe" in facts["release"] else {})
    )
    finish(story, "probe", 1)
    return closed(story)


def cut_log() -> Story:
    """The company shows its log up to the probes."""
    story = no_run()
    at = next(at for at, entry in enumerate(story.logs[COMPANY]) if "probe" in str(entry.facts))
    story.logs[COMPANY] = story.logs[COMPANY][:at]
    return story


def empty_log() -> Story:
    """The company shows a log without any entry."""
    story = no_run()
    story.logs[COMPANY] = []
    return story


def no_log() -> Story:
    """The company shows nothing."""
    story = no_run()
    story.absent = {COMPANY}
    return story


def dated_back() -> Story:
    """The company dates its whole log a day back, so that it ends before the probes began."""
    story = no_run()
    back = timedelta(days=1)
    story.logs[COMPANY] = [
        Entry(one.kind, stamp(datetime.fromisoformat(one.time) - back), one.actor, one.facts)
        for one in story.logs[COMPANY]
    ]
    return story


def out_of_order() -> Story:
    """The hospital writes what was last first."""
    story = honest()
    story.seconds += 60
    story.note(HOSPITAL, "offer.withdrawn", asset="nothing")
    story.logs[HOSPITAL].insert(0, story.logs[HOSPITAL].pop())
    return story


WAYS: Mapping[str, Callable[[], Story]] = {
    way.__name__: way
    for way in (
        *(no_run, endless_run, long_endless_run, failed_run, many_failed_runs, one_use_each),
        *(one_number, invented_model, fewer_rounds, skipped_round, no_answers, no_end_in_use),
        *(no_end_at_last, no_end_yet, asked_outside_a_run, asked_beside_a_run, two_answers, backwards),
        *(after_the_end, other_kind, removed_member, removed_member_alone, two_lists, unpublished_list, replaced_key),
        *(two_histories, one_release_twice, cut_log, empty_log, no_log, dated_back, out_of_order),
    )
}


def silenced() -> list[str]:
    """The ways in which the audit says that all is well, or ends with the exit code that says so."""
    outcomes = {name: way().audit().outcome.value for name, way in WAYS.items()}
    return [name for name, outcome in outcomes.items() if outcome == "verified" or EXIT_CODES[outcome] == 0]


def measure() -> dict[str, dict[str, Any]]:
    """How many of the ways silence the audit, beside a control that must not be accused."""
    assert honest().audit().outcome.value == "verified"
    reference = f"of {len(WAYS)} doctored sets of logs, those told as verified; the honest control is verified"
    return {
        "audit.silenced": {"value": float(len(silenced())), "unit": "ways", "target": "<= 0", "reference": reference}
    }
