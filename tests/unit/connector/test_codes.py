"""What may be noted of others is what our own programs make: no more, no less, however a program came to run."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from threading import Thread

import pytest

import medspace
from medspace.app.compose import codes as composed
from medspace.app.compose.features import FEATURES, NAMES
from medspace.connector import codes
from medspace.connector.errors import CodeInvalidError
from medspace.core.errors import MedspaceError
from medspace.ledger.kinds import ENTRY_KINDS

SOURCE = Path(medspace.__file__).parent
ROOMS = ("core", "trust", "policy", "ledger", "privacy", "runs", "connector")
ABOVE = ("adapters/http", "adapters/runner", "adapters/sql", "app/doors/protocol", "app/node/listening", "services")
FEATURE_SERVICES = {"credentials", "issuers", "permits"}  # their codes are learned of the features of that name
CODE = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
PRIVATE = (
    "account.",
    "link.",
    "login.",
    "model.",
    "passkey.",
    "private.",
    "session.",
    "token.",
)  # at the private door
HEAVY = ("numpy", "scipy", "duckdb", "sqlalchemy", "fastapi", "starlette", "dp_accounting")

# Words with a dot in the rooms that are no codes of a no, and what they are.
OTHERS = {
    **dict.fromkeys(
        ("duty.owed", "duty.fulfilled", "duty.proven", "duty.broken", "duty.waived", "duty.clock", "duty.forgotten"),
        "entries of a feature",
    ),
    **dict.fromkeys(("policy.permitted", "policy.enforceable", "label.permitted"), "a yes"),
    **dict.fromkeys(("request.action", "use.task", "use.rows", "use.suspended", "release.time"), "a clause"),
    **dict.fromkeys(("glm.model", "glm.progress", "glm.quality", "glm.moments", "glm.newton"), "an output"),
    **dict.fromkeys(("glm.evaluation", "cox.model", "cox.progress", "cox.quality"), "an output"),
    **dict.fromkeys(("net.model", "net.progress", "net.quality", "net.update"), "an output"),
    **dict.fromkeys(("masked.contribution", "masked.share", "masked.agreement", "masked.end"), "an output"),
}


@cache
def tree(path):
    return ast.parse(path.read_text("utf-8"))


def modules(*folders):
    for folder in folders:
        for path in sorted((SOURCE / folder).rglob("*.py")):
            yield ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"), path


def texts(node, skipped=()):
    inside = {id(part) for one in skipped for part in ast.walk(one)}
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and id(part) not in inside:
            yield part.value


def assigned(body, name):
    for one in body:
        targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield one


def of_errors(path):
    """The codes that classes of a module set to a text."""
    for one in ast.walk(tree(path)):
        if isinstance(one, ast.ClassDef):
            for line in assigned(one.body, "code"):
                if isinstance(line.value, ast.Constant) and line.value.value:
                    yield line.value.value


def to_a_log_of_the_machine(node):
    """Whether a call names a logger, or tells it something."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in ("getLogger", "debug", "info", "warning", "error", "log")


def worded(path):
    """The texts of a module that look like codes, wherever they stand."""
    skipped = [one for one in ast.walk(tree(path)) if to_a_log_of_the_machine(one)]
    return {text for text in texts(tree(path), skipped) if CODE.fullmatch(text)}


def prefixes(path):
    """How texts begin that a module puts together, as in f"label.{part}"."""
    for one in ast.walk(tree(path)):
        if isinstance(one, ast.JoinedStr) and isinstance(one.values[0], ast.Constant):
            yield one.values[0].value


def made(path):
    """The codes that a module makes, its own statement of them left out."""
    said = set(texts(tree(path), list(assigned(tree(path).body, "CODES"))))
    return said | {prefix + word for prefix in prefixes(path) for word in said}


def test_no_error_of_the_rooms_has_a_code_that_is_not_known():
    found = {code for _, path in modules(*ROOMS) for code in of_errors(path)}
    assert len(found) > 100
    assert found <= codes.own()


def test_no_decision_of_the_rooms_has_a_code_that_is_not_known():
    """Whatever looks like a code is one that is known, or has another meaning that is stated here."""
    rooms = [room for room in ROOMS if room != "ledger"]  # its words are kinds of entries and checks of the audit
    unknown = {
        (name, text)
        for name, path in modules(*rooms)
        for text in worded(path) - codes.own() - set(ENTRY_KINDS) - set(OTHERS)
    }
    assert unknown == set()


def test_what_has_another_meaning_is_said_somewhere_and_not_known():
    said = set().union(*(worded(path) for _, path in modules(*ROOMS)))
    assert set(OTHERS) <= said
    assert not set(OTHERS) & codes.own()


def test_nothing_is_known_that_nothing_makes():
    said = set().union(*(made(path) for _, path in modules(*ROOMS)))
    assert codes.own() - said == set()


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_module_says_that_it_makes_it_makes(room):
    for name, path in modules(room):
        for statement in assigned(tree(path).body, "CODES"):
            stated = {text for text in texts(statement) if CODE.fullmatch(text)}
            assert stated <= made(path), name


def test_no_module_that_makes_codes_is_forgotten():
    makers = {name for name, path in modules(*ROOMS) if [*of_errors(path)] or [*assigned(tree(path).body, "CODES")]}
    assert makers == set(codes._MAKERS)


def test_a_module_says_what_its_classes_say():
    for name in codes._MAKERS:
        said = codes.said_by(sys.modules[f"medspace.{name}"]) if codes.own() else set()
        path = SOURCE.joinpath(*name.split(".")).with_suffix(".py")
        assert set(of_errors(path)) <= said
        assert all(type(code) is str and len(code) <= codes.LONGEST for code in said)


FRESH = """
import json, sys
from medspace.connector import codes
before = sorted(sys.modules)
print(json.dumps([before, sorted(codes.known()), sorted(sys.modules)]))
"""


def test_what_is_known_depends_on_nothing_that_is_loaded_and_loads_nothing_heavy():
    """Looked up in a fresh interpreter, and only there do the modules come that are read for it."""
    said = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, check=True, timeout=60)
    before, known, after = json.loads(said.stdout)
    assert set(known) == codes.own()
    assert "medspace.connector.usage.rules" not in before
    assert "medspace.connector.usage.rules" in after
    assert not set(HEAVY) & set(after)


def test_what_stands_above_and_answers_others_is_learned(monkeypatch):
    monkeypatch.setattr(codes, "_learned", set())
    composed.learn()
    composed.learn_of(FEATURES)
    above = (*ABOVE, "learning") if "training" in NAMES else ABOVE
    gone = FEATURE_SERVICES - set(NAMES)
    found = [path for _, path in modules(*above) if not gone & set(path.parts)]
    said = {code for path in found for code in of_errors(path)}
    for _, path in modules("app/doors/protocol", "app/node/listening"):
        for one in ast.walk(tree(path)):
            if isinstance(one, ast.Dict):
                pairs = zip(one.keys, one.values, strict=True)
                said |= {text for key, value in pairs if getattr(key, "value", "") == "code" for text in texts(value)}
    assert len(said) > 20
    said -= {"listener.address"}  # told at the start, to one's own people
    said = {code for code in said if not code.startswith(PRIVATE)}
    assert said <= codes.known()


def test_what_a_person_ends_a_transfer_with_is_known():
    ends = [
        one.args[1].value
        for _, path in modules("app")
        for one in ast.walk(tree(path))
        if isinstance(one, ast.Call)
        and getattr(one.func, "attr", "") in ("suspend", "terminate")
        and len(one.args) > 1
        and isinstance(one.args[1], ast.Constant)
    ]
    assert set(ends) <= codes.own()


# --- what is learned -----------------------------------------------------------------------------------------------


@pytest.fixture
def learned(monkeypatch):
    monkeypatch.setattr(codes, "_learned", set())


@pytest.mark.usefixtures("learned")
def test_a_feature_brings_codes_of_its_own():
    assert codes.noted("consent.withdrawn") == codes.UNSPECIFIED
    codes.learn(["consent.withdrawn", "policy.count"])
    codes.learn(["consent.withdrawn"])
    assert codes.noted("consent.withdrawn") == "consent.withdrawn"
    assert codes.known() - codes.own() == {"consent.withdrawn"}
    assert codes.noted("consent.given") == codes.UNSPECIFIED


@pytest.mark.parametrize("wrong", ["Anna Schmidt", "anna", "", "a.", "a.B", "a b.c", "ä.b", "a." + "b" * 63, "a.b\n"])
@pytest.mark.usefixtures("learned")
def test_what_cannot_be_a_code_is_refused_and_nothing_with_it(wrong):
    with pytest.raises(CodeInvalidError) as caught:
        codes.learn(["consent.withdrawn", wrong])
    assert caught.value.code == "codes.invalid"
    assert codes.known() == codes.own()


@pytest.mark.usefixtures("learned")
def test_features_may_be_learned_at_once():
    several = [[f"feature{number}.code{each}" for each in range(50)] for number in range(8)]
    threads = [Thread(target=codes.learn, args=(brought,)) for brought in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.known() - codes.own() == {code for brought in several for code in brought}


def test_the_errors_of_others_and_of_bases_are_not_those_of_a_module():
    class Module:
        CODES = frozenset({"a.b"})

    Module.__name__ = __name__
    Module.Own = type("Own", (MedspaceError,), {"code": "a.own", "__module__": __name__})
    Module.Base = MedspaceError
    assert codes.said_by(Module) == {"a.b", "a.own"}
