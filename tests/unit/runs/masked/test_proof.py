"""Models that sites have signed: enough of them, with their own keys, for this run, these numbers."""

import json
from dataclasses import replace

import msgspec
import pytest

from medspace.core.canonical import exact
from medspace.core.hashing import digest
from medspace.ledger.model import Entry
from medspace.ledger.report import AuditOutcome
from medspace.ledger.statements import LogLine, read
from medspace.runs.errors import RunError
from medspace.runs.masked import proof
from medspace.runs.masked.errors import ModelFileError
from medspace.runs.masked.proof import ModelFile
from tests.masked import COORDINATOR, USER, Coordinated, Toy, seated
from tests.runs import Everybody, signed
from tests.signing import hybrid_of

CREATED = "2029-01-01T00:00:00.000Z"
TASK = {"task": "toy"}


class Refusing(Toy):
    """A task that reads no outcome."""

    def result(self, outcome, sites, own):
        raise RunError


@pytest.fixture(scope="module")
def table():
    return Coordinated(seated((11, 22, 33, 44)))


@pytest.fixture(scope="module")
def manifest(table):
    return next(iter(table.sites.values())).keys.manifest


@pytest.fixture(scope="module")
def model(table, manifest):
    made = table.to_the_end()
    content = json.loads(json.dumps(made.content))
    said = {"task": TASK, "rows": made.rows, "sites": list(made.sites), "result": content}
    beside = {"origin": USER, "run": manifest.run, "created": CREATED, "digest": digest(exact(said))}
    text = signed(manifest, hybrid_of(USER))
    return ModelFile(format=proof.FORMAT, manifest=text, **said, **beside)


def logs(shown, /, **changes):
    facts = {"run": shown.run, "model": shown.digest, "rounds": 1, "sites": shown.sites, "protection": "masked-sums"}
    entry = Entry("run.finished", CREATED, COORDINATOR, facts | changes)
    return {COORDINATOR: read(COORDINATOR, [LogLine(0, entry)])}


def checked(model, task=Toy(), member=Everybody(hybrid=True).member, known=None):  # noqa: B008 - without state
    (found,) = proof.check([model], lambda _: task, member, logs(model) if known is None else known)
    return found


def changed(model, change):
    content = json.loads(msgspec.json.encode(model))
    change(content)
    made = {name: content[name] for name in ("task", "rows", "sites", "result")}
    return msgspec.convert({**content, "digest": digest(exact(made))}, ModelFile)


def test_a_model_that_its_sites_signed_holds(model):
    found = checked(model)
    assert found.outcome is AuditOutcome.VERIFIED, found


def test_as_many_must_have_signed_as_open_a_total(model, manifest):
    opened = model.opened
    found = proof.signers(opened, manifest, CREATED, Everybody(hybrid=True).member)
    assert (found.sites, found.refused, found.needed) == (tuple(sorted(model.sites)), (), 3)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda said: said["result"].update(about="1"), "outcome"),
        (lambda said: said["result"]["opened"]["outcome"]["model"].update(about="1"), "outcome"),
        (lambda said: said["result"]["opened"]["outcome"].update(more=1), "outcome"),
        (lambda said: said["result"]["opened"]["outcome"].pop("took"), "outcome"),
        (lambda said: said["result"]["opened"]["outcome"]["took"].append([]), "outcome"),
        (lambda said: said["result"]["opened"].update(digest="sha256:0"), "outcome"),
        (lambda said: said["result"]["opened"]["signed"].update({"did:web:stranger": "x"}), "signature"),
        (lambda said: said.update(rows=1), "outcome"),
        (lambda said: said.update(sites=said["sites"][:2]), "outcome"),
        (lambda said: said.update(task={"task": "other"}), "digest"),
        (lambda said: said.update(run="urn:run:other"), "other_run"),
        (lambda said: said.update(manifest="x"), "manifest"),
        (lambda said: said["result"]["opened"].update(signed={}), "too_few"),
    ],
)
def test_a_model_that_the_sites_did_not_sign_is_found(model, change, code):
    found = checked(changed(model, change))
    assert (found.outcome, found.code) == (AuditOutcome.FAILED, f"model.signed.{code}")


def test_keys_that_do_not_count_sign_nothing(model):
    single = Everybody().member
    found = checked(
        model, member=lambda did: single(did) if did in model.sites else Everybody(hybrid=True).member(did)
    )
    assert found.code == "model.signed.signature"
    nobody = checked(model, member=lambda did: None if did in model.sites else Everybody(hybrid=True).member(did))
    assert nobody.code == "model.signed.signature"
    assert checked(model, member=lambda _: None).code == "model.signed.manifest"


def test_of_a_task_that_is_not_known_here_nothing_is_said_of_its_numbers(model):
    found = checked(model, task=None)
    assert (found.outcome, found.code) == (AuditOutcome.UNVERIFIABLE, "model.signed.no_task")
    unsigned = changed(model, lambda said: said["result"]["opened"].update(signed={}))
    assert checked(unsigned, task=None).code == "model.signed.too_few"


def test_what_a_task_does_not_read_is_not_what_was_signed(model):
    assert checked(model, task=Refusing()).code == "model.signed.outcome"


def test_the_logs_name_the_same_model_and_the_same_manifest(model, manifest):
    other = digest({"other": True})
    assert checked(model, known=logs(model, model=other)).code == "model.signed.other_model"
    assert checked(model, known={}).code == "model.signed.no_log"
    facts = {"admission": "a", "agreement": "g", "transfer": "t", "user": USER, "asset": "a", "use_kind": "k"}
    facts |= {"purpose": "p", "task": other, "round": 1, "step": "share", "question": other, "run": manifest.run}
    site = manifest.sites[0]
    for shown, code in ((other, "model.signed.other_manifest"), (manifest.digest, "model.signed")):
        line = LogLine(0, Entry("use.admitted", CREATED, site, facts | {"manifest": shown}))
        assert checked(model, known={**logs(model), site: read(site, [line])}).code == code


def test_a_model_without_signatures_is_not_one_of_a_masked_run(model):
    found = checked(changed(model, lambda said: said["result"].pop("opened")))
    assert (found.outcome, found.code) == (AuditOutcome.UNVERIFIABLE, "model.signed.not_masked")


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (lambda said: said["task"], "digest"),
        (lambda said: said["result"], "outcome"),
        (lambda said: said["result"]["opened"]["outcome"]["model"], "outcome"),
    ],
)
def test_a_number_that_no_digest_can_hold_was_not_signed(model, place, code):
    content = json.loads(msgspec.json.encode(model))
    place(content)["large"] = 2**60
    found = checked(msgspec.convert(content, ModelFile))
    assert (found.outcome, found.code) == (AuditOutcome.FAILED, f"model.signed.{code}")


def test_a_manifest_that_another_signed_is_none(model, manifest):
    text = signed(replace(manifest, user="did:web:other"), hybrid_of(USER))
    assert checked(msgspec.structs.replace(model, manifest=text)).code == "model.signed.manifest"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no JSON", "not JSON"), (b"\xff", "not JSON"), (b"{}", "format is missing")],
)
def test_a_file_that_holds_something_else_is_refused(content, reason):
    with pytest.raises(ModelFileError, match=reason):
        proof.read(content)


@pytest.mark.parametrize("created", ["yesterday", "", "0001-01-01T00:00:00+05:00"])
def test_a_model_whose_time_cannot_be_read_is_refused_for_its_time(model, created):
    with pytest.raises(ModelFileError, match="does not say when it was created"):
        proof.read(msgspec.json.encode(msgspec.structs.replace(model, created=created)))


def test_a_file_is_read_as_it_was_written(model, monkeypatch):
    content = msgspec.json.encode(model)
    assert proof.read(content) == model
    monkeypatch.setattr(proof, "LARGEST_FILE", 10)
    with pytest.raises(ModelFileError, match="larger than 10 bytes"):
        proof.read(content)
