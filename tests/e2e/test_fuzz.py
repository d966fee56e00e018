"""Whatever people and programs write is used, or refused by an error of ours: files, terms, offers, calls.

The short form runs with every test; `make soak` tries 10,000 examples of each.
"""

import json
import string
from datetime import UTC, date, datetime, time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medspace.app.doors.bodies import problem_of
from medspace.app.features.training.verbs import read_task
from medspace.app.node.config import read_config
from medspace.app.node.holdings import prepare
from medspace.core.dictionary import describe
from medspace.core.dictionary import parse as parse_dictionary
from medspace.core.errors import MedspaceError
from medspace.learning.glm.task import parse as parse_task
from medspace.policy import labels, odrl, templates, words
from tests.e2e.space import DICTIONARY, TASK, hospital, staged

FORMS = pytest.mark.parametrize("examples", [60, pytest.param(10_000, marks=pytest.mark.slow)])
CALLS = pytest.mark.parametrize("examples", [60, pytest.param(10_000, marks=pytest.mark.slow)])
LEFT_OUT = {("post", "/keys"), ("delete", "/keys/{key}")}  # which makes and ends keys of the connector for good

NAMES = st.sampled_from(
    [
        *("participant", "public", "private", "space", "assets", "offers", "terms", "label", "budget", "network"),
        *("name", "port", "host", "url", "key", "token", "allow", "proxy", "certificate", "id", "title", "source"),
        *(
            "dictionary",
            "template",
            "purposes",
            "until",
            "count",
            "min_cohort",
            "epsilon",
            "delta",
            "unit",
            "numbers",
        ),
        *("columns", "type", "codes", "minimum", "maximum", "missing", "person", "outcomes", "left_out", "required"),
        *(
            "prot",
            "offer_id",
            "kinds",
            "regions",
            "valid_until",
            "sensitivity",
            "file",
            "folder",
            "quotas",
            "features",
        ),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "\x00", "a\x00b", "/", "..", "did:web:x", "http://[::1", "1e999", "-1", "é", "𝒳", "\u202e", "a" * 3000]
    ),
    st.sampled_from(
        ["2027-01-01", "2027-01-01T00:00:00Z", "0000-13-40T99:00:00Z", "train-only", "download", "csv:", "sqlite:///"]
    ),
)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([0, -1, 3.0, 10.5, 2**53, 2**63, 1e308]),
)
TIMES = st.sampled_from([date(2027, 1, 1), datetime(2027, 1, 1), datetime(2027, 1, 1, tzinfo=UTC), time(1, 2)])  # noqa: DTZ001
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=4)),
    max_leaves=12,
)
TOML = st.recursive(
    st.one_of(st.booleans(), NUMBERS, TEXTS, TIMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, TEXTS), inner, max_size=4)),
    max_leaves=12,
)

CONFIG = {
    "participant": {"name": "H", "region": "EU"},
    "public": {"port": 8400, "host": "127.0.0.1"},
    "private": {"port": 8401},
    "space": {"authority": "did:web:127.0.0.1%3A8400"},
    "network": {"allow": ["127.0.0.0/8"]},
    "quotas": {"negotiations": 5},
    "assets": [
        {
            "id": "a",
            "title": "A",
            "source": "rows.csv",
            "dictionary": "dictionary.toml",
            "questions": 5,
            "budget": {"epsilon": 1.0},
            "label": {"purposes": ["dpv:Marketing"], "kinds": ["medspace:train"], "regions": ["World"]},
            "offers": [{"template": "train-only", "terms": {"count": 20, "min_cohort": 10}}],
        }
    ],
}
DESCRIBED = {
    "title": "T",
    "person": "p",
    "columns": {"p": {"type": "code"}, "n": {"type": "number", "minimum": 0, "unit": "kg", "missing": ["-9"]}},
    "outcomes": ["n > 0"],
}
OFFER = templates.build(
    "train-only", count=3, until="2030-01-01T00:00:00Z", purposes=["dpv:Marketing"], min_cohort=10
)


def places(value, path=()):
    """Every place in a document."""
    yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*path, step))


def changed(value, path, what, name, new):
    """A document in which one place was taken away, put beside, misspelt, or filled with something else."""
    if not path:
        return new
    step, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[step] = changed(value[step], rest, what, name, new)
    elif what == "drop":
        del copy[step]
    elif what == "rename" and isinstance(copy, dict):
        copy[name] = copy.pop(step)
    elif what == "beside" and isinstance(copy, dict):
        copy[name] = new
    else:
        copy[step] = new
    return copy


def near(document, values):
    """Documents that are nearly that one: wrong in one place, or in several."""

    @st.composite
    def drawn(draw):
        found = document
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from(list(places(found))))
            what = draw(st.sampled_from(["drop", "rename", "beside", "fill", "fill"]))
            found = changed(found, path, what, draw(st.one_of(NAMES, TEXTS)), draw(values))
            if not isinstance(found, dict):
                break
        return found

    return drawn()


def toml(value):
    """A value as TOML: inline, so that it may stand anywhere."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            '"'
            + "".join(one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in value)
            + '"'
        )
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(name))} = {toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return value.isoformat() if isinstance(value, date | time) else str(value)


def lines(document):
    return (
        "\n".join(f"{toml(name)} = {toml(value)}" for name, value in document.items())
        if isinstance(document, dict)
        else toml(document)
    )


def torn(text):
    """A text of which a piece is gone, twice, or something else."""

    @st.composite
    def drawn(draw):
        at, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(
            st.one_of(st.just(""), st.just(text[at:end] * 2), st.text(st.sampled_from(string.printable), max_size=8))
        )
        return text[:at] + piece + text[end:]

    return drawn()


def fuzzed(examples, given_what, use):
    """Use each example: nothing, or an error of ours that has all that people need, in both languages."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(given_what)
    def tried(example):
        try:
            use(example)
        except MedspaceError as error:
            for language in ("en", "zh_Hans"):
                told = problem_of(error, language)
                assert told["code"]
                assert told["sentence"]
                assert told["next_step"]

    tried()


@FORMS
def test_configurations(tmp_path, examples):
    (tmp_path / "dictionary.toml").write_text(DICTIONARY)
    (tmp_path / "rows.csv").write_text("person\n")
    file = tmp_path / "medspace.toml"

    def read(text: str) -> None:
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        config = read_config(file)
        prepare(config)
        assert config.did

    fuzzed(examples, st.one_of(near(CONFIG, TOML).map(lines), torn(lines(CONFIG))), read)


@FORMS
def test_data_dictionaries(examples):
    texts = st.one_of(
        near(DESCRIBED, TOML).map(lines), torn(DICTIONARY), st.binary(max_size=60), st.text(max_size=60)
    )
    fuzzed(examples, texts, lambda text: describe(parse_dictionary(text)))


@FORMS
def test_terms_and_labels(examples):
    def use(given):
        template, terms, label = given
        words.describe(odrl.parse(templates.build_from(template, terms)))
        labels.parse(label)

    names = st.sampled_from([*templates.TEMPLATES, "none"])
    terms = st.dictionaries(
        st.one_of(st.sampled_from([*templates.TERMS]), NAMES, TEXTS), st.one_of(TOML, JSON), max_size=4
    )
    label = {
        "purposes": ["dpv:Marketing"],
        "kinds": ["medspace:train"],
        "regions": ["World"],
        "valid_until": "2030-01-01T00:00:00Z",
    }
    fuzzed(examples, st.tuples(names, terms, st.one_of(near(label, TOML), JSON)), use)


@FORMS
def test_offers_as_json(examples):
    fuzzed(examples, st.one_of(near(OFFER, JSON), JSON), lambda offer: list(words.describe(odrl.parse(offer))))


@FORMS
def test_tasks(tmp_path, examples):
    file = tmp_path / "task"

    def use(given):
        suffix, text = given
        path: Path = file.with_suffix(suffix)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        parse_task(read_task(path))

    written = near(TASK, JSON).map(lambda task: (".json", json.dumps(task)))
    tables = near(TASK, TOML).map(lambda task: (".toml", lines(task)))
    fuzzed(examples, st.one_of(written, tables, torn(json.dumps(TASK)).map(lambda text: (".json", text))), use)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("fuzz")) as stage:
        stage.add("authority", hospital(1))
        stage.open()
        yield stage


@CALLS
def test_calls_of_the_management_api(stage, examples):
    space = stage.space("authority")
    known = space._get("/openapi.json")["paths"]
    routes = sorted(
        (method, path) for path, methods in known.items() for method in methods if (method, path) not in LEFT_OUT
    )
    bodies = st.one_of(
        JSON.map(lambda value: json.dumps(value).encode()),
        st.sampled_from([b"", b"{", b"[" * 5000, b'{"a":1,"a":2}', b"\xff", b'"\\ud800"', b'{"approve": 1e999}']),
        near({"participant": "did:web:127.0.0.1%3A1", "dataset": "hearts", "approve": True, "label": {}}, JSON).map(
            lambda value: json.dumps(value).encode()
        ),
        near({"task": TASK, "agreements": ["a"], "patience": 0}, JSON).map(lambda value: json.dumps(value).encode()),
        near(
            {"dataset": "hearts", "purpose": "dpv:Marketing", "at": "2030-01-01T00:00:00Z", "holders": []}, JSON
        ).map(lambda value: json.dumps(value).encode()),
    )
    queries = st.dictionaries(
        st.sampled_from(["limit", "after", "seen", "state", "search", "participant"]), TEXTS, max_size=2
    )
    calls = st.tuples(st.sampled_from(routes), TEXTS, queries, bodies, st.sampled_from(["", "zh", "x;q=y", "en;q=0"]))

    def call(given):
        (method, path), filling, query, body, language = given
        while "{" in path:
            head, _, rest = path.partition("{")
            path = head + quote(filling.encode("utf-8", "surrogatepass"), safe="") + rest.partition("}")[2]
        headers = {"Accept-Language": language, "Content-Type": "application/json"}
        answer = space._http.request(method, path, params=query, content=body, headers=headers)
        assert answer.status_code != 500, (method, path, query, body)
        if answer.is_error:
            assert {"code", "sentence", "next_step"} <= set(answer.json()), (method, path, answer.text)

    fuzzed(examples, calls, call)
