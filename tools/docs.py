"""The docs: pages made out of the program itself, the stub of the SDK, and every link checked.

python -m tools.docs            write the generated files, then check the links
python -m tools.docs --check    say what is out of date or broken, and change nothing
"""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Literal, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields
from typer.main import get_command

import medspace
from medspace.app.node.config import Asset, Config, CsvForm, Offer, PrivacyBudget
from medspace.app.node.credentials import BelievedIssuers, IssuedType
from medspace.app.node.language import CHINESE, speaker
from medspace.app.verbs import tree
from medspace.connector.negotiation.rules import TABLE as NEGOTIATION
from medspace.connector.transfer.rules import TABLE as TRANSFER
from medspace.connector.usage import states as steps
from medspace.core.errors import MedspaceError
from tools import stubs

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
DECISIONS = ROOT / "docs" / "decisions"
GENERATED = "<!-- Made by `make docs` out of the program; do not edit. -->\n\n"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def pages() -> Mapping[Path, str]:
    """The generated pages."""
    return {
        REFERENCE / "states.md": GENERATED + states(),
        REFERENCE / "commands.md": GENERATED + commands(),
        REFERENCE / "configuration.md": GENERATED + configuration(),
        REFERENCE / "errors.md": GENERATED + errors(),
        DECISIONS / "README.md": GENERATED + decisions(),
        ROOT / "src" / "medspace" / "sdk.pyi": stubs.sdk(),
    }


def decisions() -> str:
    """The list of the decision records."""
    text = (
        "# Decisions\n\nOne page each: what was decided, why, and how it is done. A decision is changed by a new one"
        " that names the old.\n\n"
    )
    for record in sorted(DECISIONS.glob("[0-9]*.md")):
        title = record.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(". ")[2]
        text += f"{int(record.name[:4])}. [{title}]({record.name})\n"
    return text


def states() -> str:
    """The state machines of the connector."""
    text = (
        "# States\n\n(C) marks the consumer's messages, (P) the provider's. A side moves when the other has"
        " acknowledged, never on sending.\n"
    )
    for title, table in (("Contract negotiation", NEGOTIATION), ("Transfer process", TRANSFER)):
        owners = "".join(f"| {state.value} | {owner.value} |\n" for state, owner in table.owners.items())
        text += f"\n## {title}\n\n```mermaid\n{table.diagram()}```\n\n| state | waits for |\n|---|---|\n{owners}"
    return text + _step_states()


def _step_states() -> str:
    owners = "".join(f"| {state.value} | {owner.value} |\n" for state, owner in steps.OWNERS.items())
    rules = "".join(
        f"| {state.value} | {event.value} | {move.state.value} | {move.rule} |\n"
        for (state, event), move in steps.MOVES.items()
    )
    return (
        f"\n## Step of a use\n\n```mermaid\n{steps.diagram()}```\n\n| state | waits for |\n|---|---|\n{owners}"
        f"\n| from | event | to | rule |\n|---|---|---|---|\n{rules}"
    )


def commands() -> str:
    """Every command with its arguments and options."""
    text = (
        "# Commands\n\nExit codes: 0 done, 2 usage, 3 refused by policy, 4 waiting, 5 a proof failed, 1 the rest.\n"
    )
    for name, command in _leaves("medspace", get_command(tree())):
        rows = "".join(_parameter(parameter) for parameter in command.params if parameter.name != "help")
        table = f"\n| | |\n|---|---|\n{rows}" if rows else ""
        text += f"\n## {name}\n\n{_plain(command.help)}\n{table}"
    return text


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's own copy of click's types
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    if command.invoke_without_command:
        yield name, command
    for word in sorted(inner):
        yield from _leaves(f"{name} {word}", inner[word])


def _parameter(parameter: Any) -> str:  # noqa: ANN401 - typer's own copy of click's types
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    else:
        names = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    return f"| {names} | {_plain(getattr(parameter, 'help', ''))} |\n"


def _plain(text: str | None) -> str:
    return " ".join((text or "").replace("|", "\\|").split())


def configuration() -> str:
    """Every setting of the configuration file."""
    text = (
        "# Configuration\n\nOne TOML file; paths are relative to the folder that it lies in. Names that are not in"
        " these tables are refused. `medspace init` writes a first one.\n"
    )
    for table in fields(Config):
        if not isinstance(table.type, type(Config)):
            continue
        text += f"\n## [{table.name}]\n\n{_plain(table.type.__doc__)}\n\n{_settings(table.type)}"
    return (
        text
        + f"\n## [[assets]]\n\n{_plain(Asset.__doc__)}\n\n{_settings(Asset)}"
        + f"\n## [assets.csv]\n\n{_plain(CsvForm.__doc__)}\n\n{_settings(CsvForm)}"
        + f"\n## [assets.budget]\n\n{_plain(PrivacyBudget.__doc__)}\n\n{_settings(PrivacyBudget)}"
        + f"\n## [[assets.offers]]\n\n{_plain(Offer.__doc__)}\n\n{_settings(Offer)}"
        + f"\n## [[credentials.issued]]\n\n{_plain(IssuedType.__doc__)}\n\n{_settings(IssuedType)}"
        + f"\n## [[credentials.believed]]\n\n{_plain(BelievedIssuers.__doc__)}\n\n{_settings(BelievedIssuers)}"
    )


def _settings(table: type[Struct]) -> str:
    rows = "".join(
        f"| `{setting.name}` | {_kind(setting.type)} | {_default(_unsaid(setting))} |\n" for setting in fields(table)
    )
    return f"| setting | value | default |\n|---|---|---|\n{rows}"


def _unsaid(setting: FieldInfo) -> Any:  # noqa: ANN401 - whatever a setting may be
    made_anew = setting.default_factory is not NODEFAULT
    return "" if made_anew else setting.default


def _kind(kind: Any) -> str:  # noqa: ANN401 - a type as it is annotated
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_kind(get_args(kind)[0])}"
    if kind == CsvForm | None:
        return "`[assets.csv]`"
    if kind == PrivacyBudget | None:
        return "`[assets.budget]`"
    return {
        str: "text",
        int: "whole number",
        float: "number",
        float | None: "number",
        bool: "`true` or `false`",
        Offer: "`[[assets.offers]]`",
        IssuedType: "`[[credentials.issued]]`",
        BelievedIssuers: "`[[credentials.believed]]`",
    }.get(kind, "table")


def _default(value: Any) -> str:  # noqa: ANN401 - whatever a setting may be
    if value is NODEFAULT:
        return "must be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, int | float | str) and value != "" else "-"


def errors() -> str:
    """Every error with its code, exit code, sentence and next step."""
    say = speaker(CHINESE)
    text = "# Errors\n\nWhat `{...}` stands for is filled in when it happens. Codes do not change between versions.\n"
    for error in sorted(_errors(), key=lambda kind: kind.code):
        english, chinese = f"{error.sentence} {error.next_step}", say(error.sentence) + say(error.next_step)
        text += f"\n## {error.code}\n\n{english}\n\n{chinese}\n\nExit code {error.exit_code}.\n"
    return text


def _errors() -> list[type[MedspaceError]]:
    for module in walk_packages(medspace.__path__, "medspace."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    found: dict[str, type[MedspaceError]] = {}
    waiting: list[type[MedspaceError]] = [MedspaceError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("medspace.") and "code" in vars(kind):
            found[kind.code] = kind
    return list(found.values())


def written(root: Path = ROOT) -> list[Path]:
    """Every page of the repository."""
    return [
        *sorted(root.glob("*.md")),
        *(
            path
            for name in ("docs", "bench", "examples", "changelog.d")
            for path in sorted((root / name).rglob("*.md"))
        ),
    ]


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    headings = HEADING.findall(FENCE.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(path: Path, text: str) -> Iterator[str]:
    """The links of a page that lead nowhere, one line each."""
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            yield f"{path}: no such file: {target}"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{path}: no such heading: {target}"


def outdated() -> Iterator[str]:
    """The generated pages that are not what the program says now."""
    for path, text in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{path}: out of date; run `make docs`"


def main(arguments: list[str]) -> int:
    """Write or check; 1 if something is wrong."""
    if "--check" not in arguments:
        for path, text in pages().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    found = [line for path in written() for line in broken(path, path.read_text(encoding="utf-8"))]
    found += outdated()
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
