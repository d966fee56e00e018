"""The sentences for people: collected from the sources, kept with their translations, compiled.

    python -m tools.messages            update the .po catalogues and compile the .mo files
    python -m tools.messages --check    say what is missing or out of date, and change nothing

A sentence is what stands in `msgid("...")`, in templates in `_("...")`, in files of data under `words` or `why`, and
what `--help` of any verb shows; one that left the sources leaves the catalogue.
"""

import ast
import io
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from string import Formatter

import typer
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

from medspace.app.doors.cli.help import spoken, with_all_below
from medspace.app.verbs import tree

SOURCES = Path("src/medspace")
LOCALES = SOURCES / "app" / "locale"
TRANSLATED = ("zh_Hans",)
DOMAIN = "medspace"
# Headers of the .po format that change without the sentences changing, or name a translation office.
LEFT_OUT = (
    b"POT-Creation-Date",
    b"PO-Revision-Date",
    b"Last-Translator",
    b"Report-Msgid-Bugs-To",
    b"Language-Team",
    b"Generated-By",
)


def sentences(sources: Path = SOURCES) -> list[str]:
    """Every sentence of the sources, and of their help, sorted, so that moving code does not move the catalogues."""
    paths = sorted(sources.rglob("*.py"))
    found = {sentence for path in paths for sentence in _marked(ast.parse(path.read_text("utf-8")), path)}
    found |= set(_of_data(sources))
    return sorted(found | set(_of_templates(sources)) | (sentences_of_help() if sources == SOURCES else set()))


def sentences_of_help() -> set[str]:
    """Every sentence that the help of the verbs shows."""
    heard: set[str] = set()

    def listen(sentence: str) -> str:
        heard.add(sentence)
        return sentence

    for command in with_all_below(typer.main.get_command(tree())):
        context = typer.Context(command)
        spoken(command, context, listen).get_usage(context)
        for one in spoken(command, context, listen).get_params(context):
            one.display_type_rich(context)
    return heard


def _of_templates(sources: Path) -> Iterator[str]:
    """What templates say with `_("...")`."""
    environment = Environment(autoescape=True)
    for path in sorted(sources.rglob("templates/**/*.html")):
        parsed = environment.parse(path.read_text("utf-8"))
        for line, _, said in extract_from_ast(parsed, ("_",), babel_style=False):
            if len(said) != 1:
                raise SystemExit(f"{path}:{line}: _() takes one literal sentence, and what fills its gaps by name")
            yield str(said[0])


def _of_data(sources: Path) -> Iterator[str]:
    """What files of data say under `words` and `why`, at any depth."""
    for path in sorted(sources.rglob("data/*.toml")):
        yield from _said(tomllib.loads(path.read_text("utf-8")))


def _said(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _said(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("words", "why") and isinstance(one, str):
                yield one
            else:
                yield from _said(one)


def _marked(tree: ast.Module, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) == "msgid":
            argument = node.args[0] if len(node.args) == 1 else None
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise SystemExit(f"{path}:{node.lineno}: msgid() takes one literal sentence")
            yield argument.value


def _called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def unmarked(sources: Path = SOURCES) -> Iterator[str]:
    """Where an error is given English words that no catalogue can hold, one line each."""
    for path in sorted(sources.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node.func).endswith("Error"):
                for fact in node.keywords:
                    if _words(fact.value):
                        yield f"{path}:{fact.value.lineno}: {fact.arg} is English words; make it Text(msgid(...))"


def _words(value: ast.expr) -> bool:
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return any(re.search(r"[a-z] [a-z]", text) for text in texts)


def gaps(sentence: str) -> set[str]:
    """The names of the gaps in a sentence."""
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def catalogue(language: str) -> Path:
    """The .po file of a language."""
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def kept(path: Path) -> dict[str, str]:
    """The translations that a .po file holds."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def build(language: str, found: Collection[str], translations: Mapping[str, str]) -> Catalog:
    """The catalogue of the sentences found, with the translations there are."""
    built = Catalog(
        locale=language,
        domain=DOMAIN,
        project="medspace",
        version="1",
        fuzzy=False,
        header_comment="# Translations of medspace's sentences for people. `make messages` keeps this file.",
    )
    for sentence in found:
        built[sentence] = Message(sentence, translations.get(sentence, ""))
    return built


def as_po(built: Catalog) -> bytes:
    """The catalogue as a .po file."""
    text = io.BytesIO()
    write_po(text, built, width=118, sort_output=True)
    return re.sub(rb'^"(' + b"|".join(LEFT_OUT) + rb"): .*\n", b"", text.getvalue(), flags=re.MULTILINE)


def as_mo(po: bytes) -> bytes:
    """The compiled catalogue of a .po file."""
    text = io.BytesIO()
    write_mo(text, read_po(io.BytesIO(po)))
    return text.getvalue()


def complaints(language: str, found: Collection[str]) -> Iterator[str]:
    """What is missing or out of date in a language, one line each."""
    path = catalogue(language)
    translations = kept(path)
    for sentence in found:
        translated = translations.get(sentence, "")
        if not translated:
            yield f"{path}: no translation of {sentence!r}"
        elif gaps(translated) != gaps(sentence):
            yield f"{path}: other gaps than the sentence has: {translated!r}"
    for sentence in sorted(translations.keys() - set(found)):
        yield f"{path}: no longer in the sources: {sentence!r}"
    if compiled(path) != {sentence: text for sentence, text in translations.items() if text}:
        yield f"{path.with_suffix('.mo')} is not what the .po file says; run `make messages`"


def compiled(path: Path) -> dict[str, str]:
    """The translations in the .mo file beside a .po file."""
    beside = path.with_suffix(".mo")
    if not beside.exists():
        return {}
    with beside.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_mo(file) if message.id}


def update(language: str, found: Collection[str]) -> None:
    """Write both files of a language."""
    path = catalogue(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    po = as_po(build(language, found, kept(path)))
    path.write_bytes(po)
    path.with_suffix(".mo").write_bytes(as_mo(po))


def main(arguments: list[str]) -> int:
    """Update, or check; 1 if something is missing."""
    found = sentences()
    if "--check" not in arguments:
        for language in TRANSLATED:
            update(language, found)
    lines = [line for language in TRANSLATED for line in complaints(language, found)] + list(unmarked())
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
