"""A token that is named counts, or is refused: nobody thinks that it narrows what a verb does on files."""

import inspect

import pytest
from typer.main import get_command

from medspace.app import verbs
from medspace.app.doors.own_token import TokenUnusedError
from tests.ports import claim


def paths(command, path=()):
    """Every verb by its path, without the groups that only hold others."""
    below = getattr(command, "commands", {})
    for name, one in below.items():
        yield from paths(one, (*path, name))
    if not below:
        yield " ".join(path), inspect.unwrap(command.callback)


def asks(verb):
    """Whether a verb asks its connector, by itself or by another function of its module."""
    sources = [inspect.getsource(verb)]
    sources += [inspect.getsource(other) for other in called(verb)]
    return any("session(" in source or "connect(" in source for source in sources)


def called(verb):
    module = inspect.getmodule(verb)
    return [
        getattr(module, name) for name in verb.__code__.co_names if inspect.isfunction(getattr(module, name, None))
    ]


def test_every_verb_that_asks_nobody_is_known():
    found = {path for path, verb in paths(get_command(verbs.tree())) if not asks(verb)}
    assert found == {path for path, option in verbs.ASKS_NOBODY.items() if not option}
    assert "backup" in found


@pytest.mark.parametrize("path", verbs.ASKS_NOBODY)
def test_a_token_for_a_verb_that_asks_nobody_is_refused_and_nothing_done(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = {"init": ["folder"], "draft": ["table.csv"], "backup": ["file"], "restore": ["file"]}
    words |= {name: ["a", "b"] for name in ("audit verify", "audit verify-entry", "audit lineage")}
    words |= {"policy check": ["terms.json"], "policy evaluate": ["--policy", "p.json", "--request", "r.json"]}
    words |= {"adapt": ["m.safetensors", "rows.csv", "--out", "own.safetensors"], "check-model": ["m.safetensors"]}
    words |= {"predict": ["m.safetensors", "rows.csv"], "wallet receive": ["link", "1"]}
    words |= {"consent verify": ["proof.json", "--salt", "00", "--authority-key", "x"]}
    words |= {f"wallet {verb}": ["one"] for verb in ("consent", "recover", "withdraw")}
    words |= {"source view": ["folder", "Patient"], "source fetch": ["s.toml", "folder"], "source key": ["key"]}
    (tmp_path / "token").write_text("mst_x")
    given = ["--token-file", str(tmp_path / "token"), *path.split(), *words.get(path, [])]
    with pytest.raises(TokenUnusedError) as refused:
        verbs.root(given)
    assert path in refused.value.text.render(str)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["token"]


def test_without_one_they_work(tmp_path):
    """The control."""
    assert verbs.root(["init", str(tmp_path / "h"), "--port", str(claim(1)[0]), "--json"]) == 0
    assert (tmp_path / "h" / "medspace.toml").exists()
