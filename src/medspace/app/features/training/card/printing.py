"""The card as one HTML file: no script, nothing loaded, every figure with its table; prints in black and white."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from medspace.app.features.training.card import drawing
from medspace.core.canonical import JsonObject
from medspace.core.text import Text, plain

FOLDER = Path(__file__).parent.parent / "templates"
STYLE = Path(__file__).with_name("card.css")
_TEMPLATE = "card.html"
# Around what the template makes: the style stands inside, since the file is to be kept and sent by itself.
_PAGE = Markup("""<!doctype html>
<html lang="{tag}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class CardFigures:
    """The figures of a card; None where there is nothing to draw."""

    hospitals: Markup | None
    groups: tuple[tuple[str, Markup], ...]
    roc: Markup | None
    roc_points: tuple[tuple[float, float], ...]
    reliability: Markup | None
    rounds: Markup | None


def printed(card: JsonObject, speak: Callable[[str], str], language: str) -> str:
    """The card as HTML, in the language of `speak`."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda value: plain(str(value))

    def say(sentence: str, **told: Any) -> str:  # noqa: ANN401 - numbers and words
        return Text(sentence, told).render(speak)

    figures = figures_of(card["facts"], say)
    body = environment.get_template(_TEMPLATE).render(_=say, card=card, facts=card["facts"], drawn=figures)
    return _PAGE.format(
        tag="zh-Hans" if language.startswith("zh") else "en",
        title=say("Model card") + say(": ") + plain(str(card["said"]["title"])),
        style=Markup(STYLE.read_text(encoding="utf-8")),  # noqa: S704 - a file of ours
        body=Markup(body),  # noqa: S704 - what the template has escaped
    )


def figures_of(facts: JsonObject, say: Callable[..., str]) -> CardFigures:
    """What is drawn of the facts of a card."""
    judged = facts["judged"]
    everyone = judged["groups"][0] if judged else {"reliability": ()}
    bins = [[float(one[name]) for name in _BIN] for one in everyone["reliability"]]
    points = tuple(roc_points(everyone["reliability"]))
    known = (one for one in facts["rounds"] if one["objective"] is not None)
    objectives = [(int(one["question"]), float(one["objective"])) for one in known]
    return CardFigures(
        _hospitals(facts, say),
        tuple(_groups(judged, say)) if judged else (),
        drawing.roc(points, say("ROC curve")) if points else None,
        points,
        drawing.reliability([(a, b, c, d) for a, b, c, d in bins], say("Reliability diagram")) if bins else None,
        drawing.curve(objectives, say("Objective per question")) if len(objectives) > 1 else None,
    )


_BIN = ("expected", "observed", "observed_low", "observed_high")


def roc_points(bins: Sequence[JsonObject]) -> Iterator[tuple[float, float]]:
    """Sensitivity over 1 - specificity at the cuts that are shown, from the highest chance down."""
    counts = [(round(int(one["rows"]) * float(one["observed"])), int(one["rows"])) for one in bins]
    cases, rows = sum(one for one, _ in counts), sum(one for _, one in counts)
    if not 0 < cases < rows:
        return
    found = wrong = 0
    yield 0.0, 0.0
    for own, of in reversed(counts):
        found, wrong = found + own, wrong + of - own
        yield wrong / (rows - cases), found / cases


def _hospitals(facts: JsonObject, say: Callable[..., str]) -> Markup | None:
    made = [_bar(str(one["name"]), one) for one in facts["quality"]["hospitals"] if one.get("auc") is not None]
    everyone = facts["quality"]["all"]
    if everyone.get("auc") is None:
        return None
    return drawing.bars([*made, _bar(say("all together"), everyone)], say("AUC per hospital"), start=0.5)


def _bar(name: str, one: JsonObject) -> drawing.Bar:
    value, reach = float(one["auc"]), float(one.get("auc_resolution") or 0.0)
    low, high = (one.get("intervals") or {}).get("auc") or (max(value - reach, 0.0), min(value + reach, 1.0))
    return drawing.Bar(name, value, float(low), float(high))


def _groups(judged: JsonObject, say: Callable[..., str]) -> Iterator[tuple[str, Markup]]:
    for column in dict.fromkeys(one["column"] for one in judged["groups"] if one["column"]):
        shown = [one for one in judged["groups"] if one["column"] == column]
        made = [_estimate(str(one["group"]), one["auc"]) for one in shown]
        yield column, drawing.bars(made, say("AUC per group of {column}", column=column), start=0.5)


def _estimate(name: str, found: JsonObject | None) -> drawing.Bar:
    if found is None:
        return drawing.Bar(name, None)
    return drawing.Bar(name, *(float(found[end]) for end in ("value", "low", "high")))
