"""The card of a model: what is signed, what is rounded, and that nothing that somebody wrote becomes HTML."""

from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from medspace.app.features.training.card import drawing, facts, printing
from medspace.app.node.language import speaker
from medspace.core.signing import Ed25519Signer
from medspace.trust.errors import SignatureError
from medspace.trust.model import Member

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DID = "did:web:user.example"
SIGNER = Ed25519Signer.from_seed(b"user".ljust(32))
EVIL = '<script>alert("x")</script>'
ESTIMATE = {"value": 0.8, "low": 0.7, "high": 0.9}
BINS = [
    {
        "low": 0.0,
        "high": 0.5,
        "rows": 40,
        "expected": 0.2,
        "observed": 0.25,
        "observed_low": 0.1,
        "observed_high": 0.4,
    },
    {
        "low": 0.5,
        "high": 1.0,
        "rows": 20,
        "expected": 0.8,
        "observed": 0.75,
        "observed_low": 0.5,
        "observed_high": 0.9,
    },
]


def group(column, name):
    figures = dict.fromkeys(("auc", "average_precision", "brier", "ece", "slope", "intercept"), ESTIMATE)
    return {"column": column, "group": name, "sites": 3, "rows": 60, "persons": 60, "cases": 25} | figures


def made(**changes):
    """A model as the management API describes it."""
    quality = {"name": "North", "site": DID, "rows": 63, "persons": 57, "auc": 0.8, "auc_resolution": 0.01}
    judged = {"groups": [group("", "") | {"reliability": BINS}, group("ward", EVIL)], "gaps": [], "hidden": []}
    return {
        "id": "urn:uuid:m",
        "digest": "sha256:1",
        "created": "2026-11-30T00:00:00Z",
        "task_digest": "sha256:2",
        "task": {"target": {"column": EVIL}, "features": [{"name": "age"}], "purpose": "research"},
        "rows": 63,
        "measured_on": "training rows",
        "terms": [{"name": "age is missing", "mean": "0.123"}],
        "quality": {"sites": [quality], "pooled": quality},
        "judged": judged,
        "sites": [{"site": DID, "name": EVIL, "status": "took_part"}, {"site": "d", "name": "no", "status": "away"}],
        "opened": {"questions": [{"question": n, "objective": "1.5", "sites": [DID] * 3} for n in (1, 2)]},
        "lineage": {
            "run": "r",
            "agreements": ["a"],
            "sites": [DID],
            "protection": "masked-sums",
            "coordinator": None,
        },
        **changes,
    }


def card(model=None):
    model = model or made()
    found = facts.facts_of(model)
    said = {"title": EVIL, "sentences": [EVIL], "tables": [], "quality": None, "protections": [], "limits": []}
    return {"facts": found, "said": said, "signed": facts.signed(found, SIGNER, DID, NOW)}


def member(did=DID, signer=SIGNER):
    return Member(did, "User", "DE", (), signer.public_key)


def test_the_member_who_made_it_has_signed_the_facts():
    facts.check(card(), member(), NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["facts"]["data"].update(rows=70),
        lambda one: one["signed"].update(by="did:web:other.example"),
        lambda one: one["signed"].update(time="2020-01-01T00:00:00Z"),
        lambda one: one["signed"].update(card="sha256:0"),
    ],
)
def test_a_card_that_was_changed_is_not_signed(change):
    forged = card()
    change(forged)
    with pytest.raises(SignatureError):
        facts.check(forged, member(), NOW)


def test_a_card_of_somebody_else_is_not_signed_by_this_member():
    with pytest.raises(SignatureError):
        facts.check(card(), member(signer=Ed25519Signer.from_seed(b"other".ljust(32))), NOW)


def test_counts_are_rounded_and_only_hospitals_that_took_part_are_named():
    data = card()["facts"]["data"]
    assert (data["rows"], data["patients"]) == (60, 60)
    assert [one["name"] for one in data["hospitals"]] == [EVIL]
    assert data["missing"] == [{"column": "age", "share": "0.12"}]


def test_what_is_not_known_is_said():
    said = {one.msgid for one in facts.limits_of(made(judged=None))}
    assert {facts.IN_SAMPLE, facts.NO_GROUPS} <= said
    assert not {facts.IN_SAMPLE, facts.NO_GROUPS} & {
        one.msgid for one in facts.limits_of(made(measured_on="held-out rows"))
    }


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


@pytest.mark.parametrize("language", ["en", "zh_Hans"])
def test_nothing_that_somebody_wrote_becomes_html_and_nothing_is_loaded(language):
    page = Page()
    page.feed(printing.printed(card(), speaker(language), language))
    assert not {"script", "img", "iframe", "a", "link"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick", "style"} & set(page.attributes)
    assert page.tags.count("svg") == 5
    assert page.tags.count("table") >= 4


@pytest.mark.parametrize(
    "model", [made(judged=None), made(quality=None, judged=None, opened={"questions": []}, terms=[])]
)
def test_a_model_of_which_less_is_known_has_a_card_too(model):
    assert "<h1>" in printing.printed(card(model), speaker("en"), "en")


def test_the_roc_curve_is_that_of_the_shown_cuts():
    bins = [{"rows": rows, "observed": cases / rows} for rows, cases in ((50, 5), (30, 10), (20, 15))]
    score = np.repeat([0, 1, 2], [50, 30, 20])
    target = np.concatenate([np.arange(rows) < cases for rows, cases in ((50, 5), (30, 10), (20, 15))])
    wrong, right, _ = roc_curve(target, score, drop_intermediate=False)
    assert np.allclose(list(printing.roc_points(bins)), np.column_stack([wrong, right]))
    assert list(printing.roc_points([{"rows": 5, "observed": 1.0}])) == []


def test_a_figure_that_is_not_known_is_a_dash():
    assert "–" in drawing.bars([drawing.Bar("x", None)], "label")
