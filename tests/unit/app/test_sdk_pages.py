"""What programs can do is on the pages: every route, every verb, every setting of a task."""

import inspect
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import msgspec

import medspace.sdk
from medspace.learning.glm import task
from tests.routers import management

DOCS = Path(__file__).parents[3] / "docs"


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_route_of_the_management_api_is_on_its_page_and_no_other():
    described = management(SimpleNamespace()).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", page("api.md"), re.MULTILINE)) == routes | {
        "GET /ready"
    }  # before the door


def test_every_verb_and_error_of_the_sdk_is_on_its_page():
    text = page("sdk.md")
    verbs = [name for name in vars(medspace.sdk.Space) if not name.startswith("_") and name != "close"]
    assert [verb for verb in verbs if f"`{verb}(" not in text] == []
    named = re.findall(r"`(\w+)\(", text)
    assert [name for name in named if not hasattr(medspace.sdk.Space, name) and name != "connect"] == []
    errors = [name for name in medspace.sdk.__all__ if name.endswith("Error")]
    assert [name for name in errors if f"`{name}`" not in text] == []
    assert all(inspect.isclass(getattr(medspace.sdk, name)) for name in errors)


def settings(form):
    return {field.name for field in msgspec.structs.fields(form)}


def section(heading):
    parts = re.split(r"^##+ ", page("training.md"), flags=re.MULTILINE)
    (found,) = [text for text in parts if text.startswith(heading)]
    return found


def documented(heading):
    return set(re.findall(r"^\| `(\w+)` \|", section(heading), re.MULTILINE))


def test_every_setting_of_a_task_is_on_its_page_with_its_default():
    assert documented("Settings") == settings(task._TaskForm)
    assert documented("`[[features]]`") == settings(task._FeatureForm)
    assert documented("`[evaluation]`") == settings(task._EvaluationForm)
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?\| ([^|]*?) \| [^|]*\|$", section("Settings"), re.MULTILINE))
    for field in msgspec.structs.fields(task._TaskForm):
        if field.name == "protection":
            continue  # a run writes in what the contracts name (`runs.rules.protected`)
        if isinstance(field.default, bool | int | float | str):
            shown = rows[field.name].strip("`")
            value = str(field.default).lower() if isinstance(field.default, bool) else field.default
            assert shown == str(value) or float(shown) == value, field.name


def test_the_example_on_the_page_is_a_task():
    example, *_ = re.findall(r"```toml\n(.*?)```", page("training.md"), re.DOTALL)
    assert task.parse(tomllib.loads(example)).family == "binomial"
    full = Path(__file__).parents[3] / "examples" / "first-steps" / "task.toml"
    assert task.parse(tomllib.loads(full.read_text())).family == "binomial"
