"""How another process makes the same engine, source or clock: an importable function and what it is called with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from medspace.core.canonical import JsonObject


@dataclass(frozen=True, slots=True)
class Recipe:
    """`factory` is `module:name`; it is called with the members of `given`, which is JSON, by their names."""

    factory: str
    given: JsonObject = field(default_factory=dict)

    def made(self) -> Any:  # noqa: ANN401 - whatever the factory makes
        """What comes of it."""
        module, _, name = self.factory.partition(":")
        return getattr(import_module(module), name)(**self.given)


def recipe_of(factory: Callable[..., Any], **given: Any) -> Recipe:  # noqa: ANN401 - JSON
    """The recipe of what a function or class of a module makes.

    Raises:
        ValueError: another process would not find it under its name.
    """
    module, name = getattr(factory, "__module__", ""), getattr(factory, "__qualname__", "")
    if module == "__main__" or not name.isidentifier() or getattr(import_module(module), name, None) is not factory:
        raise ValueError(f"{factory!r} is no function or class of a module")
    return Recipe(f"{module}:{name}", given)
