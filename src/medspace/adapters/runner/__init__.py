"""Where engines run: in threads of their own, or in a process for each step."""

from medspace.adapters.runner.thread import ThreadPool, ThreadRunner

__all__ = ["ThreadPool", "ThreadRunner"]
