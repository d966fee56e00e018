"""What came of the pilot as one picture (SVG), in black and white."""

from markupsafe import Markup

from medspace.app.features.training.card import drawing
from medspace.app.features.training.card.drawing import Bar
from medspace.core.canonical import JsonObject

STYLE = """<style>text{font:12px sans-serif}.grid{stroke:#ddd}.line{stroke:#000;stroke-width:1.5}.dot{fill:#000}
.axis{stroke:#000}.dashes{stroke:#777;stroke-dasharray:4 3}</style>"""
WIDTH, GAP = 480, 24


def drawn(result: JsonObject) -> str:
    """The AUC of each hospital, its calibration error before and after its adjustment, the clinic's AUC."""
    sites = result["sites"]
    areas = [Bar(one["site"], one["untouched"]["auc"]) for one in sites]
    errors = [
        Bar(f"{one['site']}, {name}", one[which]["ece"])
        for one in sites
        for which, name in (("untouched", "as it is"), ("personal", "adjusted"))
    ]
    blocks = [
        ("AUC of the shared model at each hospital", drawing.bars(areas, "AUC", start=0.5)),
        ("Calibration error before and after each hospital's own adjustment", drawing.bars(errors, "ECE", end=0.5)),
    ]
    if "transfer" in result:
        ways = ("untouched", "harmonised", "transfer", "local")
        found = [Bar(way, result["transfer"][way]) for way in ways]
        title = "Clinic with another camera: AUC for referable disease"
        blocks.append((title, drawing.bars(found, "AUC")))
    return _stacked(blocks)


def _stacked(blocks: list[tuple[str, Markup]]) -> str:
    down, parts = float(GAP), list[Markup]()
    for title, figure in blocks:
        height = float(str(figure).split('height="', 1)[1].split('"', 1)[0])
        parts.append(Markup('<text x="8" y="{}" font-weight="bold">{}</text>').format(down, title))
        parts.append(Markup('<g transform="translate(0 {})">{}</g>').format(down + 10, figure))
        down += height + 2 * GAP
    size = f'viewBox="0 0 {WIDTH} {down:.0f}" width="{WIDTH}" height="{down:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return f'{head}<rect width="100%" height="100%" fill="#fff"/>{STYLE}{Markup("").join(parts)}</svg>\n'
