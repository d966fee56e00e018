"""The workplace of an engine, as usage control lays it out, for tests that call an engine by itself."""

from datetime import UTC, datetime

from medspace.adapters.memory import ManualClock, SeededRandomness
from medspace.core.engine import Workplace


def workplace(source, admission, **more):
    """What an admission opens, a clock that stands still, and chance that can be repeated."""
    material = None if source is None else source.open(admission)
    return Workplace(material, SeededRandomness(7), ManualClock(datetime(2026, 11, 23, tzinfo=UTC)), **more)


def names(engine):
    """The kinds of output that an engine makes."""
    return tuple(form.name for form in engine.outputs)
