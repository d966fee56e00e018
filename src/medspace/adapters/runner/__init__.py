"""Where engines run: in separate threads, or in one process per step."""

from medspace.adapters.runner.process import SYSTEM_CLOCK, ProcessRunner
from medspace.adapters.runner.recipes import Recipe, recipe_of
from medspace.adapters.runner.thread import ThreadPool, ThreadRunner

__all__ = ["SYSTEM_CLOCK", "ProcessRunner", "Recipe", "ThreadPool", "ThreadRunner", "recipe_of"]
