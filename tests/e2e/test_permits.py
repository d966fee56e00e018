"""Data permits over real connectors: applied for, asked, granted, used, revoked; who opted out stays out."""

import time

import pytest

from medspace.app.compose.sdk import Space
from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from medspace.connector.usage.model import JOBS
from medspace.core.paging import each
from tests.e2e.space import ASSET, PURPOSE, TASK, Holding, hospital, staged, table

PATIENCE = 30.0
LAW = "Health Data Use Act, section 7"
UNTIL = "2029-12-31T00:00:00Z"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("permits")) as stage:
        stage.add("authority")
        body = stage.add("body").did
        ethics = stage.add("ethics").did
        asked = [f"DataPermit@{body}"]
        stage.add("clinic", hospital(credentials=asked, route="permit"))
        stage.add("ward", hospital(4, credentials=asked, route="permit"))
        stage.add("lab", Holding(table(3), terms={"credentials": [f"EthicsApproval@{ethics}?study=heart"]}))
        stage.add("user")
        stage.add("other")
        stage.add("clerk")
        stage.open()
        stage.admit()
        authority = stage.space("authority")
        authority.believe("DataPermit", [body], where="https://body.example/apply")
        authority.believe("EthicsApproval", [ethics])
        for key in ("body", "ethics", "clinic", "ward", "lab", "user"):
            seen(stage.space(key).refresh_issuers, lambda found: len(found["issuers"]) == 2)
        yield stage


def seen(look, wanted=bool):
    """What `look` finds, once it is what is wanted."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            found = look()
        except SpaceError as error:
            found = error.problem
        else:
            if wanted(found):
                return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def application(stage, **changed):
    asked = {
        "datasets": [{"holder": stage.nodes["clinic"].did, "dataset": ASSET}],
        "people": ["Ada Example", "Bo Example"],
        "purposes": [PURPOSE],
        "since": "2026-01-01T00:00:00Z",
        "until": UNTIL,
        "title": "What predicts heart disease",
        "summary": "A model from the records of several hospitals.",
        "safeguards": "Only sums leave the hospitals.",
    }
    return asked | changed


def started(stage, agreement):
    """A use under an agreement, begun."""
    return stage.space("user").request(agreement, "medspace:train")


def problem(act):
    with pytest.raises(SpaceError) as caught:
        act()
    return caught.value.problem


def test_a_permit_is_applied_for_granted_used_and_revoked(stage):
    user, body, clinic = stage.space("user"), stage.space("body"), stage.space("clinic")
    refused = problem(lambda: stage.agree("user", "clinic"))
    assert refused["code"] == "policy.credential"
    assert stage.nodes["body"].did in str(refused)

    case = user.apply_for_permit(stage.nodes["body"].did, application(stage))["id"]
    seen(lambda: body.permit(case))
    body.ask_permit(case, "Who keeps the model?")
    seen(lambda: user.permit(case)["state"] == "questioned")
    user.answer_permit(case, "We do, for five years.")
    seen(lambda: body.permit(case)["state"] == "applied")
    body.decide_permit(
        case, "It serves science.", granted=True, less={"people": ["Ada Example"], "fees": "120.00 EUR"}
    )
    seen(lambda: user.permit(case)["state"] == "granted")
    (public,) = [one for one in user.permit_register(stage.nodes["body"].did) if one["id"] == case]
    assert public["reasons"] == "It serves science."
    assert "Ada" not in str(public)

    seen(lambda: [one for one in clinic.received_credentials() if one["state"] == "holds"])
    clinic.set_opt_outs(ASSET, "person", ["p1-0", "p1-1"])
    agreement = stage.agree("user", "clinic")
    run = user.train(TASK, [agreement], wait=60)
    assert run["state"] == "finished"
    rows = run["model"]["quality"]["sites"][0]["rows"]
    assert rows == 58  # of 60, two persons opted out

    use = started(stage, agreement)
    seen(lambda: user.use(use["id"])["state"] == "STARTED")
    body.revoke_permit(case, "The study has ended.")
    seen(lambda: not _open(stage, "clinic"))
    seen(lambda: user.use(use["id"])["state"] == "TERMINATED")
    again = problem(lambda: started(stage, agreement))
    assert again["code"] == "permit.over"  # which says more than that no permit holds
    assert "permits apply" in str(again)
    assert [one["state"] for one in clinic.received_credentials(subject=stage.nodes["user"].did)] == ["revoked"]
    (public,) = [one for one in user.permit_register(stage.nodes["body"].did) if one["id"] == case]
    assert (public["state"], public["revoked"]) == ("revoked", "The study has ended.")


def test_a_law_that_is_named_opens_the_rows_of_who_opted_out(stage, capsys):
    """As a person decides at the command line; the law is in the register, for everybody to read."""
    user, body, ward = stage.space("ethics"), stage.space("body"), stage.space("ward")
    ward.set_opt_outs(ASSET, "person", ["p4-0", "p4-1"])
    datasets = [{"holder": stage.nodes["ward"].did, "dataset": ASSET}]
    case = user.apply_for_permit(stage.nodes["body"].did, application(stage, datasets=datasets))["id"]
    seen(lambda: body.permit(case))
    words = ["permits", "decide", case, "--grant", "--reasons", "An outbreak.", "--despite-opt-outs", LAW]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--config", str(stage.nodes["body"].file)])
    assert not ended.value.code, capsys.readouterr()
    seen(ward.received_credentials)
    run = user.train(TASK, [stage.agree("ethics", "ward")], wait=60)
    assert run["model"]["quality"]["sites"][0]["rows"] == 60
    (public,) = [one for one in user.permit_register(stage.nodes["body"].did) if one["id"] == case]
    assert public["opt_outs"] == LAW
    body.revoke_permit(case, "It is over.")


def test_at_the_applicant_only_a_person_whom_the_permit_names_begins_a_use(stage):
    """The data holder cannot tell who sits there, so the applicant's own connector looks."""
    owner, body, ward = stage.space("clerk"), stage.space("body"), stage.space("ward")
    ward.set_opt_outs(ASSET, "person", ["p4-0", "p4-1"])
    datasets = [{"holder": stage.nodes["ward"].did, "dataset": ASSET}]
    case = owner.apply_for_permit(stage.nodes["body"].did, application(stage, datasets=datasets))["id"]
    seen(lambda: body.permit(case))
    body.decide_permit(case, "It serves science.", granted=True, less={"people": ["Ada Example"]})
    seen(lambda: owner.permit(case)["state"] == "granted")
    seen(lambda: ward.received_credentials(subject=stage.nodes["clerk"].did))
    agreement = stage.agree("clerk", "ward")
    named, other = (
        Space(stage.nodes["clerk"].private_url, owner.new_token(name, ["read", "use"], person=True)["text"])
        for name in ("ada  EXAMPLE", "Bo Example")
    )
    assert problem(lambda: other.request(agreement, "medspace:train"))["code"] == "permits.person"
    with pytest.raises(SpaceError) as caught:
        other.train(TASK, [agreement], wait=60)
    assert "permits.person" in str(caught.value.problem)
    use = named.request(agreement, "medspace:train")
    seen(lambda: named.use(use["id"])["state"] == "STARTED")
    owner.request(agreement, "medspace:train")  # its owner is no person, and answers for it
    body.revoke_permit(case, "It is over.")
    refused = problem(lambda: other.request(agreement, "medspace:train"))
    assert refused["code"] == "permit.over"  # no permit is left that could name anybody: the data holder refuses
    named.close()
    other.close()


def _open(stage, key):
    database = stage.nodes[key].connector.node.database
    return stage.run(database.read(lambda tx: sum(job.open for job in each(tx, JOBS, {}))))


def test_a_credential_of_an_ethics_board_opens_and_closes_an_offer(stage):
    user, ethics, lab = stage.space("user"), stage.space("ethics"), stage.space("lab")
    board, holder = stage.nodes["ethics"].did, stage.nodes["lab"].did
    refused = problem(lambda: stage.agree("user", "lab"))
    assert refused["code"] == "policy.credential"
    assert "EthicsApproval" in str(refused) or "ethics board" in str(refused)
    wrong = ethics.issue_credential(
        stage.nodes["user"].did, ["EthicsApproval"], UNTIL, claims={"study": "lungs"}, receivers=[holder]
    )
    seen(lab.received_credentials)
    assert problem(lambda: stage.agree("user", "lab"))["code"] == "policy.credential"  # of another study
    made = ethics.issue_credential(
        stage.nodes["user"].did, ["EthicsApproval"], UNTIL, claims={"study": "heart"}, receivers=[holder]
    )
    seen(lambda: len(lab.received_credentials()) == 2)
    agreement = stage.agree("user", "lab")
    user.request(agreement, "medspace:train")
    assert problem(lambda: stage.agree("other", "lab"))["code"] == "policy.credential"  # it names somebody else
    seen(lambda: _open(stage, "lab") == 1)
    lab.narrow_issuers("EthicsApproval", [])  # the member itself believes nobody
    seen(lambda: _open(stage, "lab") == 0)
    lab.narrow_issuers("EthicsApproval", None)
    user.request(agreement, "medspace:train")
    seen(lambda: _open(stage, "lab") == 1)
    ethics.revoke_issued(made["id"])
    seen(lambda: _open(stage, "lab") == 0)
    assert problem(lambda: user.request(agreement, "medspace:train"))["code"] == "policy.credential"
    assert board in str(lab.received_credentials())
    assert wrong["id"] != made["id"]


def test_what_a_permit_does_not_say_is_refused_with_its_own_code(stage):
    user, body, clinic = stage.space("other"), stage.space("body"), stage.space("clinic")
    clinic.set_opt_outs(ASSET, "person", [])
    there = stage.nodes["clinic"].did
    case = user.apply_for_permit(
        stage.nodes["body"].did,
        application(stage, datasets=[{"holder": there, "dataset": "lungs"}], purposes=[PURPOSE]),
    )["id"]
    seen(lambda: body.permit(case))
    assert problem(lambda: body.decide_permit(case, " ", granted=True))["code"] == "permits.decision"
    more = {"people": ["Eve Example"]}
    assert (
        problem(lambda: body.decide_permit(case, "Why not.", granted=True, less=more))["code"] == "permits.decision"
    )
    body.decide_permit(case, "It serves science.", granted=True)
    seen(
        lambda: [
            one for one in clinic.received_credentials(subject=stage.nodes["other"].did) if one["state"] == "holds"
        ]
    )
    agreement = stage.agree("other", "clinic")  # it has a permit of the body
    refused = problem(lambda: user.request(agreement, "medspace:train"))
    assert refused["code"] == "permit.dataset"
    assert problem(lambda: body.permit("urn:uuid:none"))["code"] == "permits.unknown"
    assert problem(lambda: user.revoke_permit(case, "mine"))["code"] == "permits.state"
    assert problem(lambda: stage.space("lab").decide_permit(case, "x", granted=True))["code"] == "permits.unknown"
    body.revoke_permit(case, "By mistake.")


def test_an_application_that_lacks_something_is_not_taken(stage):
    user, at = stage.space("user"), stage.nodes["body"].did
    for changed in (
        {"people": []},
        {"datasets": []},
        {"title": " "},
        {"safeguards": ""},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2090-01-01T00:00:00Z"},
        {"purposes": ["dpv:Marketing"]},
        {"purposes": ["dpv:ProvideOfficialStatistics"]},  # for public bodies
        {"purposes": ["fun"]},
    ):
        refused = problem(lambda changed=changed: user.apply_for_permit(at, application(stage, **changed)))
        assert refused["code"] == "permits.incomplete", changed
    assert (
        problem(lambda: user.apply_for_permit(stage.nodes["user"].did, application(stage)))["code"]
        == "permits.own_body"
    )


def test_only_a_body_that_is_believed_grants(stage):
    user, lab = stage.space("user"), stage.space("lab")
    case = user.apply_for_permit(stage.nodes["lab"].did, application(stage))["id"]
    seen(lambda: lab.permit(case))
    assert problem(lambda: lab.decide_permit(case, "Yes.", granted=True))["code"] == "permits.no_body"
    lab.decide_permit(case, "We are no access body.", granted=False)
    seen(lambda: user.permit(case)["state"] == "refused")
