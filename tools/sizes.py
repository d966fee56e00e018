"""Functions and modules stay short, and nothing swallows every error but the process edges listed here.

python -m tools.sizes
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path("src")
LONGEST_FUNCTION = 60
LONGEST_MODULE = 600
# Where any error may be caught, each with its reason. A handler that raises again is not counted.
BROAD_EXCEPTS = {
    "adapters/sql/writer.py": "what a unit of work raises goes to its caller, not to the writer's thread",
    "app/main.py": "people are shown sentences, no tracebacks",
    "app/demo/story.py": "what the thread of the connectors raises goes to the thread that waits for it",
    "connector/dispatch/service.py": "one message that cannot be dealt with never stops the others",
    "adapters/runner/thread.py": "what an engine does not foresee ends its use with a code, and is raised",
}
MOST_BROAD_EXCEPTS = 5
BROAD = ("Exception", "BaseException")


def complaints(sources: Path = SOURCES) -> Iterator[str]:
    """What is too long or catches too much, one line each."""
    broad = []
    for path in sorted(sources.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if (lines := text.count("\n")) > LONGEST_MODULE:
            yield f"{path}: {lines} lines, more than {LONGEST_MODULE}"
        yield from _long_functions(path, tree)
        broad += [(path, handler.lineno) for handler in broad_handlers(tree)]
    for path, line in broad:
        if path.relative_to(sources / "medspace").as_posix() not in BROAD_EXCEPTS:
            yield f"{path}:{line}: catches every error and is not listed in {__file__}"
    if len(broad) > MOST_BROAD_EXCEPTS:
        yield f"{len(broad)} handlers catch every error, more than {MOST_BROAD_EXCEPTS}"


def _long_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines, more than {LONGEST_FUNCTION}"


def broad_handlers(tree: ast.Module) -> Iterator[ast.ExceptHandler]:
    """The handlers that catch every error and do not raise it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node.type) and not _raises_again(node):
            yield node


def _catches_all(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in BROAD for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = list(complaints())
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
