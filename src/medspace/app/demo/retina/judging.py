"""How good the shared net is at each hospital and at the clinic, before and after what each makes of it for itself.

Every hospital does this for itself, on photographs that never took part in training; here one program plays them all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medspace.app.demo.retina.data import GRADES, REFERABLE, SIDE, HospitalPhotographs, Photographs, joined
from medspace.core.canonical import JsonObject
from medspace.learning.glm.design import Layout, Matrix, Vector
from medspace.learning.net.convolution import ConvNet
from medspace.learning.net.following import network_of
from medspace.learning.net.images import BRIGHTEST, scaled
from medspace.learning.net.task import parse
from medspace.learning.using.adapting import area
from medspace.learning.using.refitting import LogitAdjustment, adjustment, new_layer

Grades = NDArray[np.int64]
BINS = 10
LABELLED = 40  # photographs that the clinic grades before it uses the net
EDGE = 1e-9  # of a pixel: what rounding may add
WHOLE = 0.84  # the disc of RetinaMNIST in an image, as a share of that of the clinic's closer crop


@dataclass(frozen=True, slots=True)
class SharedNet:
    """A net that left the hospitals, and how it looks at photographs."""

    network: ConvNet
    weights: Vector
    layout: Layout

    @classmethod
    def of(cls, task: JsonObject, model: JsonObject) -> "SharedNet":
        """The net of a model, as the management API describes it."""
        layout = {name: tuple(float(one) for one in model["layout"][name]) for name in ("fill", "centre", "scale")}
        kept = tuple(int(one) for one in model["layout"]["kept"])
        network = network_of(parse(task), 0)
        if not isinstance(network, ConvNet):
            raise TypeError
        weights = np.array([float(one) for one in model["weights"]])
        return cls(network, weights, Layout(layout["fill"], kept, layout["centre"], layout["scale"]))

    def logits(self, photographs: Photographs) -> Matrix:
        """What the head makes chances of."""
        return self.network.scored(self.weights, scaled(photographs.images, self.layout))

    def chances(self, photographs: Photographs, own: LogitAdjustment | None = None) -> Matrix:
        """The chance of each grade, as a hospital uses the net."""
        return self.network.head.chances((own or LogitAdjustment()).of(self.logits(photographs)))

    def features(self, photographs: Photographs) -> Matrix:
        """What the trunk sees in each photograph, over its mirror images."""
        views = self.network.views(scaled(photographs.images, self.layout))
        found = np.mean([self.network.features(self.weights, view) for view in views], axis=0)
        evened: Matrix = np.sqrt(np.maximum(found, 0.0))  # they are rectified, with a long tail
        return evened


def graded(chances: Matrix, grades: Grades) -> JsonObject:
    """AUC (the mean over grades of each against the others), accuracy, calibration error of the likeliest grade."""
    areas = [
        area(chances[:, grade], (grades == grade).astype(float))
        for grade in range(len(GRADES))
        if sum(grades == grade) > 0
    ]
    return {
        "auc": float(np.mean(areas)),
        "accuracy": float((chances.argmax(axis=1) == grades).mean()),
        "ece": calibration_error(chances, grades),
        "images": len(grades),
    }


def calibration_error(chances: Matrix, grades: Grades) -> float:
    """Over ten bins of the chance of the likeliest grade: how far it is from how often that was right."""
    sure, right = chances.max(axis=1), chances.argmax(axis=1) == grades
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return float(np.abs(np.bincount(place, sure - right, BINS)).sum() / len(grades))


def personal(net: SharedNet, own: HospitalPhotographs) -> LogitAdjustment:
    """What a hospital makes of the net with all the photographs that it may learn from."""
    known = joined((own.choose, own.train))
    return adjustment(net.network.head, net.logits(known), known.grades.astype(np.float64))


def harmonised(photographs: Photographs, net: SharedNet) -> Photographs:
    """The clinic's photographs as the shared net knows them: the whole disc on black, in the hospitals' mean colours.

    Each photograph by itself, as the light of this camera differs from one to the next.
    """
    images = np.stack([_whole(image) for image in photographs.images.astype(np.float64)])
    disc = images.max(axis=-1) > 0.0
    share = np.maximum(disc.mean(axis=(1, 2)), 1.0 / SIDE**2)
    wanted = np.array(net.layout.centre) * BRIGHTEST / share.mean()
    means = np.maximum(images.mean(axis=(1, 2)) / share[:, None], 1.0)
    evened = images * (wanted / means)[:, None, None, :]
    return Photographs(np.clip(evened, 0, BRIGHTEST).astype(np.uint8), photographs.grades)


def _whole(image: Matrix) -> Matrix:
    """An image made smaller by `WHOLE`, in the middle of a black one, within a disc; bilinear."""
    middle = (SIDE - 1) / 2.0
    along = (np.arange(SIDE) - middle) / WHOLE + middle
    inside = np.abs(along - middle) <= middle + EDGE
    at = np.clip(along, 0, SIDE - 1)
    low = np.minimum(at.astype(np.int64), SIDE - 2)
    part = (at - low)[:, None, None]
    rows = image[low] * (1 - part) + image[low + 1] * part
    part = (at - low)[None, :, None]
    found = rows[:, low] * (1 - part) + rows[:, low + 1] * part
    radius = np.hypot(*np.meshgrid(np.arange(SIDE) - middle, np.arange(SIDE) - middle))
    keep = inside[:, None] & inside[None, :] & (radius <= SIDE / 2)
    made: Matrix = found * keep[..., None]
    return made


def _coarse(photographs: Photographs) -> Matrix:
    """The mean colours of squares of four pixels."""
    squares = photographs.images.reshape(photographs.count, SIDE // 4, 4, SIDE // 4, 4, 3)
    found: Matrix = squares.mean(axis=(2, 4)).reshape(photographs.count, -1)
    return found


def transferred(net: SharedNet, clinic: Photographs, seed: int) -> JsonObject:
    """Referable disease at the clinic: AUC on photographs that nothing was learned from, several ways.

    `untouched`: the shared net. `harmonised`: the same on harmonised photographs. `transfer`: a new head on its trunk
    from 40 labelled photographs. `local`: the same head on the pixels, without the trunk.
    """
    places = np.random.default_rng(seed).permutation(clinic.count)
    ours = harmonised(clinic, net)
    yes = (clinic.grades >= REFERABLE).astype(np.float64)
    known, others = places[:LABELLED], places[LABELLED:]

    def referable(photographs: Photographs) -> float:
        return area(net.chances(photographs.chosen(others))[:, REFERABLE:].sum(axis=1), yes[others])

    def headed(found: Matrix) -> float:
        return area(new_layer(found[known], yes[known]).of(found[others]), yes[others])

    return {
        "untouched": referable(clinic),
        "harmonised": referable(ours),
        "transfer": headed(net.features(ours)),
        "local": headed(_coarse(clinic)),
        "labelled": LABELLED,
        "images": len(others),
    }
