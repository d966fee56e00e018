"""Tables and tasks of nets for tests."""

import numpy as np

PURPOSE = "ehds:HealthcareScientificResearch"


def made(count, seed, *, width=3):
    """Rows whose chance of the outcome depends on two columns, and on whether they agree."""
    source = np.random.default_rng(seed)
    columns = {f"x{k}": source.normal(size=count) for k in range(width)}
    logit = columns["x0"] - 0.5 * columns["x1"] + 1.5 * columns["x0"] * columns["x1"]
    sick = source.random(count) < 1.0 / (1.0 + np.exp(-logit))
    return {name: values.tolist() for name, values in columns.items()} | {"sick": sick.astype(float).tolist()}


def task(features, **changes):
    """The task of a net with these numeric features."""
    return {
        "task": "net",
        "target": "sick > 0",
        "features": [{"name": name} for name in features],
        "purpose": PURPOSE,
        "missing": "drop",
        "max_rounds": 12,
        **changes,
    }


GRADES = ("none", "mild", "severe")


def graded(count, seed, *, grades=GRADES):
    """Rows with one of several grades, the higher the larger `x0`."""
    table = made(count, seed)
    source = np.random.default_rng(seed + 1)
    score = np.array(table["x0"]) + 0.7 * np.array(table["x1"]) + source.logistic(size=count) * 0.6
    place = np.digitize(score, np.linspace(-0.8, 1.2, len(grades) - 1))
    return {name: table[name] for name in ("x0", "x1", "x2")} | {"grade": [grades[at] for at in place]}


def image_task(**changes):
    """The task of a net on small images."""
    return {
        "task": "net",
        "target": "grade",
        "classes": list(GRADES),
        "ordinal": True,
        "images": {"height": 8, "width": 8, "channels": 1, "filters": [4]},
        "purpose": PURPOSE,
        "max_rounds": 12,
        **changes,
    }


DENSENET = {"network": "densenet", "init_features": 4, "growth_rate": 3, "blocks": [2, 1], "bn_size": 2}


def densenet_task(**changes):
    """The same with a small DenseNet."""
    return image_task(images={"height": 8, "width": 8, "channels": 1, **DENSENET, **changes})
