"""The verbs with a connector that answers at once: what each shows to people and to programs."""

import io
import json
import os
import sys

import pytest

from medspace.app.doors import sdk
from medspace.app.doors.cli.screen import Screen
from medspace.app.doors.cli.signals import Terminated
from medspace.app.features.audit.verbs import _report as show_report
from medspace.app.features.training.attending import slowest
from medspace.app.features.training.progress import rounds, steps
from medspace.app.features.training.verbs import (
    DatasetUnagreedError,
    NoAgreementError,
    TaskFileError,
    read_task,
    usable,
)
from medspace.app.main import main
from medspace.core.errors import StorageTakenError
from medspace.core.text import Text

NOTHING = {"code": None, "sentence": None, "next_step": None, "round": None, "seconds_left": None, "percent": None}
WHY = ["use.engine", "label.review", "ethics.board"]
FAR = {"progress": {"done": 300.0, "of": 400.0, "seconds_left": 20}, "held_for": WHY}
IN = {"site": "did:web:h", "name": "H", "status": "took_part", **NOTHING}
OUT = IN | {
    "site": "did:web:o",
    "name": "O\x1b[2J",
    "status": "refused",
    "code": "policy.count",
    "sentence": "This is use number 21.",
    "round": 0,
}
GONE = IN | {
    "site": "did:web:g",
    "name": "G",
    "status": "away",
    "code": "learning.site_away",
    "sentence": "No answer.",
}
MODEL = {
    "sites": [IN, OUT, GONE],
    "id": "urn:model",
    "digest": "sha256:00",
    "rounds": 3,
    "described": {
        "title": "A model",
        "tables": [{"title": None, "columns": ["term", "coefficient"], "rows": [["age", "+0.5000"]]}],
        "quality": {"columns": ["hospital", "AUC"], "rows": [["H", "0.900 ± 0.020"]]},
        "sentences": ["It was measured."],
    },
    "protections": ["The coordinator saw everything."],
    "lineage": {"run": "urn:run", "sites": ["did:web:h"], "agreements": ["urn:a"]},
}
RUN = {
    "sites": [IN, OUT, GONE],
    "id": "urn:run",
    "state": "finished",
    "rounds": 3,
    "seconds": 1.0,
    "problem": None,
    "model": MODEL,
}
AGREEMENT = {
    "id": "urn:a",
    "role": "consumer",
    "counterparty": "did:web:h",
    "dataset": "d",
    "in_force": True,
    "contract": ["You may train a model on the data."],
    "used": 1,
    "allowed": 20,
    "until": "2030-01-01T00:00:00.000Z",
    "last_used": "2026-01-01T00:00:00.000Z",
    "open_uses": 1,
    "waiting": 2,
    "review": True,
    "ended": None,
    "ended_because": "",
    "ended_cause": None,
    "successor": None,
    "replaces": None,
    "used_up": False,
}
NEGOTIATION = {
    "id": "urn:n",
    "role": "consumer",
    "counterparty": "did:web:h",
    "dataset": "d",
    "state": "REQUESTED",
    "owner": "provider",
    "contract": ["You may train."],
    "problem": None,
    "agreement": "urn:a",
}
STEP = {
    "id": "urn:step",
    "state": "held",
    "dataset": "d",
    "user": "did:web:u",
    "step": "moments",
    "round": 2,
    "time": "2026-11-28T12:00:00.000Z",
    "code": "",
    "held_for": [],
    "progress": None,
}
AT_WORK = STEP | {"progress": {"done": 1.0, "of": 4.0, "seconds_left": None}}
OVER = NEGOTIATION | {"id": "urn:o", "state": "TERMINATED", "owner": "nobody", "problem": {"sentence": "No."}}
DATASET = {"id": "d", "title": "T", "participant": "did:web:h", "formats": ["medspace:train"]}
SILENT = {"participant": "did:web:s", "sentence": "No answer.", "exit_code": 4}
MEMBER = {"did": "did:web:h", "name": "H", "region": "EU", "roles": ["holder"], "public_key": "key"}
PREMISE = {"clause": "/c", "asked": "for research", "held": "It is marketing.", "satisfied": False, "remedy": "Ask."}
ASKED = {"dataset": "d", "limit": 6, "used": 6, "left": 0, "back": "2027-11-24"}
GIVEN = {"dataset": "d", "limit": 240, "used": 14, "left": 226, "cells": 240}
DECIDED = {
    "standing": [],
    "verdict": "deny",
    "code": "policy.purpose",
    "premises": [PREMISE],
    "questions": ASKED,
    "numbers": GIVEN,
}
DECIDED |= {"small_cells": 3}
NEAR = {"dataset": "d", "entry": 9, "earlier": 4, "differs": "the feature sex"}
DECIDED |= {"protection": "masked-sums", "masks": {"sites": 4, "colluders": 1, "sentence": "That hides each."}}


ENDED = AGREEMENT | {"in_force": False, "ended": "2026-02-01T00:00:00.000Z", "allowed": None, "last_used": None}


REVIEWED = {
    "asked": {"task": {"task": "glm"}},
    "output": {"kind": "sum", "values": {"n": 7}},
    "checks": [{"rule": "/permission/0", "asked": "from the rows of at least 5 persons", "found": "12 persons"}],
    "comments": [{"moved_by": {"actor": "actor:1", "name": "Dr Li"}, "text": "Looks fine."}],
    "optional": [{"name": "glm.quality", "words": "how well the model does"}],
    "left_out": [{"name": "glm.spread", "words": "the spreads"}],
}


class Connector:
    """A connector that says yes to everything."""

    more = ()  # agreements

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __getattr__(self, verb):
        answers = {
            "members": [MEMBER],
            "admit": MEMBER,
            "find": {"datasets": [DATASET], "problems": [SILENT]},
            "negotiate": NEGOTIATION,
            "negotiations": [NEGOTIATION, OVER],
            "answer": NEGOTIATION,
            "agreements": [AGREEMENT, AGREEMENT | {"in_force": False}, ENDED, *self.more],
            "steps": [STEP | FAR, STEP | {"state": "refused", "code": "use.closed"}],
            "step": AT_WORK | REVIEWED,
            "change_output": STEP | REVIEWED,
            "check": STEP | REVIEWED | {"state": "released", "output": None},
            "download": {"id": "urn:t", "state": "STARTED"},
            "train": RUN,
            "runs": [RUN],
            "model": MODEL,
            "try_policy": DECIDED,
            "audit_bundle": {"entries": [1, 2]},
            "near_repeats": [NEAR],
            "audit_questions": {"format": "medspace-questions-1", "origin": "did:web:h", "questions": [{}]},
        }
        return lambda *_, **__: answers[verb]


@pytest.fixture
def said(monkeypatch, capsys):
    """What a command line says and how it ends."""
    monkeypatch.setattr(sdk, "connect", lambda *_, **__: Connector())

    def say(*words):
        with pytest.raises(SystemExit) as end:
            main([*map(str, words)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return say


@pytest.fixture
def task(tmp_path):
    file = tmp_path / "task.toml"
    file.write_text('task = "glm"\n')
    return file


VERBS = [
    (["members"], "did:web:h"),
    (["admit", "did:web:h"], "H is a member now"),
    (["negotiate", "did:web:h", "d"], "  - You may train."),
    (["steps"], "it was refused (use.closed)"),
    (["steps", "--state", "held"], "moments of round 2 on d, asked by did:web:u"),
    (["steps"], "300 of 400 done, about 20 s left"),
    (["steps"], "held: the label of the dataset wants a person to look at each result"),
    (["steps"], "ethics.board"),
    (["steps", "urn:step"], "Output that waits: "),
    (["steps", "urn:step"], "1 of 4 done"),
    (["steps", "urn:step", "--approve"], "it was released"),
    (["steps", "urn:step", "--refuse"], "urn:step"),
    (["steps", "urn:step", "--leave-out", "glm.spread"], "left out: the spreads (glm.spread)"),
    (["steps", "urn:step"], "can be left out: how well the model does (--leave-out glm.quality)"),
    (["negotiate", "did:web:h", "d"], "Next: medspace train TASK.toml --dataset d"),
    (["negotiations"], "next move: provider"),
    (["answer", "urn:n", "--approve"], "Approved: the agreement is on its way to did:web:h"),
    (["answer", "urn:n", "--refuse"], "Refused: did:web:h is told."),
    (["agreements"], "no longer in force"),
    (["download", "did:web:h", "d"], "Transfer urn:t is STARTED."),
    (["runs"], "finished"),
    (["model", "urn:model"], "+0.5000"),
]


@pytest.mark.parametrize(("words", "shown"), VERBS, ids=lambda words: words[0] if isinstance(words, list) else "")
def test_a_verb_speaks_to_people_and_to_programs(said, words, shown):
    code, out, err = said(*words)
    assert (code, err) == (0, "")
    assert shown in out
    code, out, err = said(*words, "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), dict)


def test_the_next_command_names_the_configuration_where_it_is_not_the_usual_one(said, task):
    assert "Next: medspace negotiate PROVIDER DATASET --config c.toml\n" in said("catalog", "--config", "c.toml")[1]
    code, out, _ = said("train", task)
    assert code == 0
    assert out.endswith("Next: medspace model urn:model\n")
    assert "0.900" in out


@pytest.mark.parametrize(("codes", "code"), [((), 0), ((4,), 4), ((3,), 3), ((3, 4), 4)])
def test_a_catalogue_that_is_not_whole_does_not_end_well(said, monkeypatch, codes, code):
    problems = [SILENT | {"exit_code": each} for each in codes]
    monkeypatch.setattr(
        Connector, "find", lambda *_, **__: {"datasets": [DATASET], "problems": problems}, raising=False
    )
    for words in ((), ("--json",)):
        ended, out, err = said("catalog", *words)
        assert (ended, err, "did:web:h" in out) == (code, "", True)
    assert ("did:web:s did not answer: No answer." in said("catalog")[1]) is bool(codes)


@pytest.mark.parametrize(("lang", "one", "two"), [("en", "1 dataset on", "2 datasets on"), ("zh", "1 个", "2 个")])
def test_one_of_a_thing_is_not_told_as_many(said, monkeypatch, lang, one, two):
    for count, words in ((1, one), (2, two)):
        found = {"datasets": [DATASET] * count, "problems": []}
        monkeypatch.setattr(Connector, "find", lambda *_, found=found, **__: found, raising=False)
        assert words in said("catalog", "--lang", lang)[1]


def test_who_is_silent_is_named_once(said, monkeypatch):
    away = SILENT | {"sentence": "did:web:s does not answer: No connection."}
    monkeypatch.setattr(Connector, "find", lambda *_, **__: {"datasets": [], "problems": [away]}, raising=False)
    assert "did:web:s does not answer: No connection.\n" in said("catalog")[1]
    assert "did not answer" not in said("catalog")[1]


def test_what_datasets_have_in_common_is_shown_and_chosen(said, monkeypatch):
    asked = {}
    value = {"value": "dpv:Marketing", "label": "marketing", "count": 2, "chosen": True}
    facets = {"purpose": [value], "region": [value | {"value": "DE", "label": "DE"}]}
    found = {"datasets": [DATASET], "problems": [], "facets": facets}
    monkeypatch.setattr(Connector, "find", lambda *_, **how: asked.update(how) or found, raising=False)
    code, out, _ = said("catalog", "heart", "--region", "DE", "--region", "FR", "--use", "medspace:train", "--facets")
    assert (code, asked) == (0, {"search": "heart", "facets": 10, "region": ["DE", "FR"], "kind": ["medspace:train"]})
    assert "marketing (dpv:Marketing)" in out
    assert "for the purpose" in out


def test_a_dry_run_of_what_others_hold_says_nothing_of_its_questions(said, monkeypatch):
    asked, others = {}, {"questions": None, "numbers": None, "small_cells": 0, "standing": ["Only its holder."]}
    decided = DECIDED | others
    monkeypatch.setattr(Connector, "try_policy", lambda *_, **how: asked.update(how) or decided, raising=False)
    out = said("policy", "try", "--agreement", "urn:a")[1]
    assert (asked["agreement"], "participant" in asked, "Only its holder." in out) == ("urn:a", False, True)
    assert "questions" not in out
    said("policy", "try", "d", "--from", "did:web:h")
    assert asked["participant"] == "did:web:h"


@pytest.mark.parametrize("words", [(), ("d", "--agreement", "urn:a")])
def test_a_dry_run_is_of_a_dataset_or_of_an_agreement(said, words):
    assert said("policy", "try", *words)[0] == 2


def test_a_dry_run_that_denies_ends_with_3(said):
    code, out, _ = said("policy", "try", "d")
    assert code == 3
    assert "  NO for research: It is marketing.  [/c]\n     To change it: Ask.\n" in out
    assert "d was asked 6 of the 6 questions" in out
    assert "Sums are masked. That hides each.\n" in out
    assert "come back on 2027-11-24" in out
    assert "d has given 14 of the 240 numbers" in out
    assert "Too few patients of d have 3 pairs of codes" in out


@pytest.mark.parametrize(
    ("options", "forgotten", "told"),
    [((), False, ""), (("--forget",), True, "The name is deleted"), (("--forget",), False, "The name stays")],
)
def test_what_became_of_the_name_of_a_revoked_token_is_said(said, monkeypatch, options, forgotten, told):
    done = {"token": "a", "revoked": ["a"], "forgotten": forgotten}
    monkeypatch.setattr(Connector, "revoke_token", lambda *_, **__: done, raising=False)
    code, out, _ = said("token", "revoke", "a", *options)
    assert (code, "1 token revoked" in out, told in out, "name" in out) == (0, True, True, bool(told))


def test_what_stands_against_a_use_is_marked_and_what_comes_later_is_open(said, monkeypatch):
    unknown, later = PREMISE | {"satisfied": None}, PREMISE | {"satisfied": None, "remedy": None, "held": "Later."}
    decided = DECIDED | {"premises": [unknown, later]}
    monkeypatch.setattr(Connector, "try_policy", lambda *_, **__: decided, raising=False)
    out = said("policy", "try", "d")[1]
    assert "  NO for research: It is marketing.  [/c]\n     To change it: Ask.\n" in out
    assert "  ? for research: Later.  [/c]\n" in out


@pytest.mark.parametrize(("protection", "warned"), [("coordinator-sees-sums", True), ("masked-sums", False)])
def test_a_dry_run_says_who_sees_sums_that_are_not_masked(said, monkeypatch, protection, warned):
    decided = DECIDED | {"masks": None, "protection": protection}
    monkeypatch.setattr(Connector, "try_policy", lambda *_, **__: decided, raising=False)
    out = said("policy", "try", "d")[1]
    assert ("Sums are not masked: whoever leads the run sees those of this hospital." in out) is warned
    assert "Sums are masked" not in out


def test_questions_are_written_or_said_not_to_be(said, tmp_path):
    code, out, _ = said("audit", "questions", tmp_path / "q.json", "--dataset", "d")
    assert (code, ": 1 question." in out) == (0, True)
    assert "the task of entry 9 is that of entry 4 but for the feature sex" in out
    assert json.loads((tmp_path / "q.json").read_text())["questions"] == [{}]
    assert (tmp_path / "q.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "q.json").chmod(0o644)  # as a version before wrote it
    assert said("audit", "questions", tmp_path / "q.json")[0] == 0
    assert (tmp_path / "q.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["q.json"]
    assert said("audit", "questions", tmp_path)[0] == 2


def test_questions_may_be_written_into_a_pipe(said, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert said("audit", "questions", tmp_path / "pipe")[0] == 0
        assert json.loads(os.read(reader, 1 << 16))["questions"] == [{}]
    finally:
        os.close(reader)


def test_a_bundle_is_written_or_said_not_to_be(said, tmp_path):
    assert said("audit", "export", tmp_path / "b.json")[0] == 0
    assert json.loads((tmp_path / "b.json").read_text()) == {"entries": [1, 2]}
    code, _, err = said("audit", "export", tmp_path)
    assert code == 2
    assert err.startswith("file.not_written: ")


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["answer", "urn:n"], "answer.undecided", "`medspace negotiations`"),
        (["steps", "--approve"], "step.wish", "`medspace steps --state held`"),
        (["steps", "--leave-out", "glm.quality"], "step.wish", "`medspace steps --state held`"),
        (["steps", "urn:s", "--approve", "--leave-out", "x"], "step.two_wishes", "look at the step and decide"),
        (["steps", "--state", "odd"], "step.state", "working, held, released, withheld, refused, failed"),
        (["label", "d", "--until", "yesterday"], "label.time", "2026-12-31T12:00:00Z"),
        (["label", "d", "--from", "2026-01-31T12:00:00"], "label.time", "2026-12-31T12:00:00Z"),
        (["label", "--nothing"], "label.wish", "--as-configured"),
        (["demo", "--port", "65525"], "usage", "medspace demo --help"),
        (["train", "task.toml", "--patience", "-5"], "usage", "medspace train --help"),
        (["init", "h", "--answers", "automatic"], "setup.wish", "--answers cannot be used: it needs a file"),
        (["init", "h", "--count", "0"], "setup.wish", "--count cannot be used: it needs a file"),
        (["init", "h", "--rows-are-persons"], "setup.wish", "--rows-are-persons cannot be used: it needs a file"),
    ],
)
def test_a_wish_that_cannot_be_followed_is_refused_with_what_to_do(said, words, code, hint):
    status, out, err = said(*words)
    assert (status, out) == (2, "")
    assert err.startswith(f"{code}: ")
    assert hint in err


@pytest.mark.parametrize("words", [["nonsense"], ["train"], ["audit", "nonsense"]])
def test_wrong_usage_is_told_like_every_error(said, words):
    code, out, err = said(*words)
    assert (code, out) == (2, "")
    assert err.startswith("usage: ")
    code, out, err = said(*words, "--json")
    assert (code, err) == (2, "")
    assert json.loads(out)["error"]["code"] == "usage"


def test_alone_it_shows_its_help(said):
    code, out, err = said()
    assert (code, err) == (2, "")
    assert "Usage" in out


def raising(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def test_errors_in_groups_are_told_as_the_one_that_matters(said, monkeypatch):
    inner = ExceptionGroup("tasks", [ValueError("x"), StorageTakenError(database="d")])
    monkeypatch.setattr(sdk, "connect", raising(ExceptionGroup("outer", [inner])))
    code, _, err = said("members")
    assert code == 1
    assert err.startswith("storage.taken: ")


def test_what_was_not_foreseen_is_told_and_shown_only_where_it_is_asked_for(said, monkeypatch):
    monkeypatch.setattr(sdk, "connect", raising(ZeroDivisionError("by zero")))
    code, _, err = said("members")
    assert code == 1
    assert err.startswith("medspace.unforeseen: ")
    assert "ZeroDivisionError" in err
    assert "Traceback" not in err
    monkeypatch.setenv("MEDSPACE_DEBUG", "1")
    assert "Traceback" in said("members")[2]


@pytest.mark.parametrize(("signal", "ends"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_a_signal_ends_a_verb_with_a_sentence(said, monkeypatch, signal, ends):
    monkeypatch.setattr(sdk, "connect", raising(signal))
    code, out, err = said("members")
    assert (code, out) == (ends, "")
    assert err.startswith("medspace.stopped: Stopped before it was done.")


@pytest.mark.parametrize(("signal", "ends"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_a_signal_while_the_connector_is_at_work_says_that_it_goes_on_there(said, monkeypatch, signal, ends):
    monkeypatch.setattr(Connector, "members", raising(signal), raising=False)
    code, out, err = said("members")
    assert (code, out) == (ends, "")
    assert err.startswith("medspace.left: Stopped waiting; what the connector was asked to do goes on there.")


def test_the_newest_agreement_in_force_with_each_provider_is_used():
    others = AGREEMENT | {"id": "urn:b", "dataset": "e"}
    older = AGREEMENT | {"id": "urn:older"}
    given = [
        AGREEMENT | {"id": "urn:x", "in_force": False},
        AGREEMENT | {"role": "provider"},
        AGREEMENT,
        older,
        others,
    ]
    assert usable(given, set()) == ["urn:a", "urn:b"]
    assert usable(given, {"e"}) == ["urn:b"]
    for wanted in ({"none"}, {"none", "e"}):
        with pytest.raises(DatasetUnagreedError, match=r"in force on none. Name one of these: d, e; or agree"):
            usable(given, wanted)
    with pytest.raises(NoAgreementError):
        usable([AGREEMENT | {"in_force": False}], {"d", "none"})


def test_a_hospital_whose_agreement_has_lapsed_is_not_left_out_in_silence(said, task, monkeypatch):
    lapsed = AGREEMENT | {"id": "urn:z", "counterparty": "did:web:z", "in_force": False}
    monkeypatch.setattr(Connector, "more", (lapsed,))
    code, out, err = said("train", task)
    assert (code, out) == (3, "")
    assert err.startswith("train.agreement_lapsed: No agreement is in force any more with did:web:z.")
    code, _, err = said("train", task, "--without-missing")
    assert (code, err) == (0, "  - did:web:z is not asked: no agreement is in force any more\n")
    code, out, err = said("train", task, "--without-missing", "--json")
    assert (code, err, json.loads(out)["not_asked"]) == (0, "", ["did:web:z"])
    assert said("train", task, "--dataset", "d", "--agreement", "urn:a")[0] == 0


@pytest.mark.parametrize("content", ["[1]", "{", "\xff", "x" * (1 << 20) + "y"])
def test_a_task_that_cannot_be_read_is_refused(tmp_path, content):
    file = tmp_path / "task.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(TaskFileError):
        read_task(file)


def test_a_task_is_read_as_json_or_toml(task, tmp_path):
    (tmp_path / "task.json").write_text('{"task": "glm"}')
    assert read_task(task) == read_task(tmp_path / "task.json") == {"task": "glm"}


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self):
        return True


def test_progress_is_for_people_on_a_terminal_only(monkeypatch):
    people, programs = Screen(as_json=False, language="en"), Screen(as_json=True, language="en")
    for screen, stream, seen in ((people, Terminal(), True), (programs, Terminal(), False), (people, None, False)):
        monkeypatch.setattr(sys, "stderr", stream or io.StringIO())
        with rounds(screen) as follow:
            follow({"state": "running", "rounds": 2, "max_rounds": 5})
            far = {"site": "did:web:h", "name": "H\x1b", "status": "asked", "percent": 40, "seconds_left": None}
            follow({"state": "running", "rounds": 2, "sites": [far]})
        with steps(screen, 2) as begin:
            begin(Text("the first step"))
        assert ("question 2" in sys.stderr.getvalue()) is seen
        assert ("at 40 %" in sys.stderr.getvalue()) is seen


def test_of_those_that_work_long_the_slowest_is_named():
    far = {"name": "H", "percent": 40, "seconds_left": None}
    slow = far | {"name": "S", "percent": 30, "seconds_left": 90}
    assert str(slowest([far, {"name": "Q", "percent": None}, slow])) == "S at 30 %, about 90 s left"
    assert str(slowest([far])) == "H at 40 %"
    assert slowest([]) is slowest([{"name": "Q"}]) is None


WAITED = IN | {"status": "waited_for", "sentence": "No connection.", "seconds_left": 280, "name": "W\x1b[31m"}


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_who_is_missing_is_said_while_it_happens_once_for_each_change(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    run = {"state": "running", "rounds": 1, "max_rounds": 5, "sites": [IN | {"site": "did:web:w"}, OUT]}
    waiting = run | {"sites": [WAITED | {"site": "did:web:w"}, OUT]}
    with rounds(Screen(as_json=False, language="en")) as follow:
        for seen in (run, waiting, waiting, run, run | {"state": "failed", "sites": [GONE]}):
            follow(seen)
    said = sys.stderr.getvalue()
    assert said.count("- waiting for W [31m, 280 s left: No connection.") == 1
    assert said.count("did not take part (policy.count)") == 1
    assert said.count("is back") == 1
    assert "G did not take part" not in said


def test_a_model_and_the_list_of_runs_say_who_is_missing_and_drive_no_terminal(said, task):
    for words in (["train", task], ["model", "urn:model"]):
        out = said(*words)[1]
        assert "Asked: 3 hospitals. Took part: 1." in out
        assert "  - O [2J did not take part (policy.count): This is use number 21." in out
        assert "  - G did not take part (learning.site_away): No answer." in out
        assert "\x1b" not in out
    out = said("runs")[1]
    assert "1/3" in out
    assert "use number 21" in out


def test_a_report_names_each_finding_with_log_and_entry(capsys):
    finding = {"outcome": "failed", "code": "root", "sentence": "No.", "log": "did:web:h"}
    report = {
        "outcome": "failed",
        "entries": 3,
        "logs": ["did:web:h"],
        "checks": [{"outcome": "failed", "verified": 0, "sentence": "Each log is whole."}],
        "questions": [{"log": "did:web:h", "admitted": 3, "shown": 1, "not_shown": 2}],
        "accusations": [],
        "budgets": [],
        "findings": [
            finding | {"entry": None, "code": "key"},
            finding | {"entry": 2},
            *(finding | {"code": "time", "entry": at} for at in (3, 4, 5)),
        ],
    }
    show_report(Screen(as_json=False, language="en"), report)
    said = capsys.readouterr().out
    assert "FAILED key: No. (did:web:h)\nFAILED root: No. (did:web:h, entry 2)\n" in said
    assert "FAILED time: No. (did:web:h, entry 3 and 2 more)\n" in said
    assert said.endswith("Do not rely on these logs before it is cleared up.\n")
