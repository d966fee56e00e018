from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text
from medspace.policy import odrl, templates
from medspace.policy.model import Label
from medspace.policy.points import Point
from medspace.policy.service import dry_run
from tests.unit.policy.given import policy, request
from tests.unit.policy.test_templates import TERMS

LABEL = Label(purposes=("dpv:ScientificResearch",), regions=("EU",), kinds=("medspace:train",))
OFFER = odrl.parse(templates.build("train-only", **TERMS))


def test_a_dry_run_that_is_permitted_needs_no_remedy():
    run = dry_run(OFFER, LABEL, request())
    assert run.decision.permitted
    assert run.remedies == ()
    assert str(run.terms[0]) == "You may train a model on the data."


def test_what_is_not_stated_yet_is_left_to_its_point_unless_the_use_begins():
    unstated = request(purpose=None, sites=None, count=None)
    assert dry_run(OFFER, LABEL, unstated).decision.permitted
    assert dry_run(OFFER, LABEL, unstated, Point.COMPUTE).decision.code == "policy.purpose"


def test_a_dry_run_says_what_would_change_the_answer_each_once():
    run = dry_run(OFFER, LABEL, request(purpose="dpv:Marketing", count=5))
    assert run.decision.code == "policy.purpose"
    assert [str(remedy) for remedy in run.remedies] == [
        "State a purpose that the terms allow.",
        "Ask the data holder for an agreement that covers more uses.",
    ]


def test_a_dry_run_is_denied_by_what_others_say_beside_it():
    ended = Premise("use.questions", Text("at most 3"), Text("3 were put"), satisfied=False, remedy=Text("Wait."))
    run = dry_run(OFFER, LABEL, request(), beside=[Decision(Verdict.DENY, "use.questions", (ended,))])
    assert (run.decision.verdict, run.decision.code) == (Verdict.DENY, "use.questions")
    assert [str(remedy) for remedy in run.remedies] == ["Wait."]


def test_a_dry_run_of_a_download_names_the_clause():
    run = dry_run(OFFER, LABEL, request(action="medspace:download"))
    assert run.decision.code == "policy.prohibited"
    assert run.decision.failures[0].clause == "/prohibition/0"
    assert str(run.remedies[0]) == "These terms allow you to: train a model on the data."


def test_the_label_alone_can_deny():
    run = dry_run(policy(), None, request())
    assert run.decision.code == "label.absent"
    assert [str(remedy) for remedy in run.remedies] == ["Ask the data holder to label the asset."]


def test_who_and_where_the_user_is_are_asked_for_where_nobody_said():
    run = dry_run(OFFER, LABEL, request(region=None, assignee=None))
    assert not run.decision.permitted
    assert [str(remedy).split(":")[0] for remedy in run.remedies] == ["Say where the user is", "Say who the user is"]
    elsewhere = dry_run(OFFER, LABEL, request(region="US", assignee="did:web:other.example"))
    assert [str(remedy) for remedy in elsewhere.remedies] == [
        "Ask the data holder for terms that name your place.",
        "Ask the data holder for terms that name you.",
    ]
