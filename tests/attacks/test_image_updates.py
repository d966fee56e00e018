"""What updates of a net for images tell about the images behind them: to whoever carries them, and to colluders.

The attack is gradient inversion (Zhu et al. 2019; Geiping et al. 2020 with a preference for smooth images), with all
that the attacker could wish for: the weights, the size of the step, a net with thirty numbers for each pixel.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from medspace.core.material import Form
from medspace.learning.exact import fixed, number
from medspace.learning.net import summing
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.heads import BINARY
from medspace.learning.net.images import ImageInput, scaled
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.totals import HEAD
from medspace.privacy.masking.masks import masked
from medspace.runs.masked.contributing import RING
from tests.unit.learning.masked_sites import MaskedRun, again
from tests.unit.learning.nets import PURPOSE
from tests.unit.learning.simulated import TableRows

torch = pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
SIDE, FILTERS = 8, 128
NETWORK = conv_net(ImageInput(SIDE, SIDE, 1, (FILTERS,)), (), "relu", BINARY)
RATE, STEPS, TRIES = 0.5, 150, 10
SMOOTH = (0.03, 0.003)  # the preference for smooth images, first and later
SITE, PEERS = "did:web:site3", ("did:web:site0", "did:web:site1", "did:web:site2")
PATIENTS = 12
TASK = {
    "task": "net",
    "target": "sick > 0",
    "images": {"height": SIDE, "width": SIDE, "channels": 1, "filters": [FILTERS]},
    "purpose": PURPOSE,
    "rate": RATE,
    "clip": 1000,
    "max_rounds": 12,
    "seed": 11,
}


def photograph(seed=1):
    """A bright spot on a slope, as no two patients have it."""
    chance = np.random.default_rng(seed)
    image = np.linspace(-1.0, 1.0, SIDE)[:, None] * np.linspace(0.5, 1.0, SIDE)[None, :]
    image[2:5, 4:7] += 1.5
    return (image + chance.normal(scale=0.1, size=image.shape)).astype(np.float32).reshape(1, -1)


def patients(seed=3, count=PATIENTS):
    """Photographs of several, with the spot and the slope elsewhere in each, and other light."""
    chance = np.random.default_rng(seed)
    light = chance.normal(scale=0.6, size=count)
    return np.concatenate(
        [np.roll(photograph(place), chance.integers(0, SIDE * SIDE)) + light[place] for place in range(count)]
    )


def update(weights, rows, labels):
    """What a hospital adds to a total after one step on all its rows: the change of each weight, times rows."""
    residuals = BINARY.residuals(NETWORK.logits(weights, rows), labels) / len(rows)
    change = -RATE * NETWORK.gradient(weights, rows, residuals)
    return [fixed(value) for value in (change * len(rows)).tolist()]


def matched(weights, change):
    """An image with this change of the weights; the best of some beginnings."""
    wanted = torch.from_numpy((-change / RATE).astype(np.float32))
    parts = NETWORK._cut(weights)
    for part in parts:
        part.requires_grad_(True)  # noqa: FBT003 - PyTorch's own
    return min((_descended(parts, wanted, start) for start in range(TRIES)), key=lambda one: one[0])[1]


def _descended(parts, wanted, start):
    torch.manual_seed(start)
    image, fits = (0.3 * torch.randn(1, 1, SIDE, SIDE)).requires_grad_(), []
    residual, size = float(wanted[-1]), (wanted**2).sum()  # of the bias of the output
    for smooth in SMOOTH:
        descent = torch.optim.LBFGS([image], max_iter=STEPS, history_size=20, line_search_fn="strong_wolfe")

        def loss(smooth=smooth, descent=descent):
            descent.zero_grad()
            given = residual * NETWORK._forward(parts, image).sum()
            flat = torch.cat([one.reshape(-1) for one in torch.autograd.grad(given, parts, create_graph=True)])
            fit = ((flat - wanted) ** 2).sum() / size
            fits.append(float(fit.detach()))
            rough = (image.diff(dim=-1) ** 2).mean() + (image.diff(dim=-2) ** 2).mean()
            found = fit + smooth * rough
            found.backward()
            return found

        descent.step(loss)
    return fits[-1], image.detach().numpy().reshape(-1)


def likeness(one, other):
    """The correlation of two images, 0 to 1."""
    return abs(float(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]))


def nearest(found, rows):
    return max(likeness(found, row) for row in rows)


def test_a_photograph_is_not_seen_in_a_masked_update(attack_report):
    """One image and no rule on cohorts: whoever sees the update of a step has the image."""
    weights, rows = NETWORK.first(11), photograph()
    numbers = update(weights, rows, np.array([1.0]))
    plain = likeness(matched(weights, np.array([number(value) for value in numbers])), rows)
    words = masked(
        RING.encode(numbers), RING, SITE, {peer: bytes([at]) * 32 for at, peer in enumerate(PEERS, 1)}, b"\x09" * 32
    )
    carried = np.array([float(value) for value in RING.decode(words)])
    under = likeness(matched(weights, carried / np.abs(carried).max()), rows)
    attack_report(
        "nets: gradient inversion on an update of one photograph, by whoever carries it: likeness",
        got=round(under, 2),
        control=round(plain, 2),
        of=1,
        unit="correlation",
    )
    assert plain > 0.8
    assert under < 0.5


@dataclass(frozen=True)
class Photographs(TableRows):
    """Labelled images in memory."""

    images: tuple = ()
    shape: tuple = (SIDE, SIDE, 1)

    @property
    def form(self):
        return Form.IMAGES

    def pixels(self, index):
        return self.images[index]


@dataclass
class ImageRun(MaskedRun):
    """A masked run over labelled images, by DID."""

    images: dict = field(default_factory=dict)

    def material(self, site):
        if site not in self.opened:
            held = tuple(image.tobytes() for image in self.images[site])
            self.opened[site] = Photographs(self.tables[site], len(held), self.described, images=held)
        return self.opened[site]


def colluding(least=5, **changes):
    """What the other three hospitals, who open the total and know their own parts of it, have of the fourth.

    That is: the weights, the change of the fourth, and its images as the net sees them.
    """
    labels = {site: {"sick": [float(place % 2) for place in range(PATIENTS)]} for site in (*PEERS, SITE)}
    images = {site: np.clip(128 + 40 * patients(place), 0, 255).astype(np.uint8) for place, site in enumerate(labels)}
    run = ImageRun(TASK | changes, labels, tasks=MaskedNets(), images=images)
    read = run.summed.read(state := run.step(again(run.summed.first())))
    run.least = least
    change = np.array([number(value) for value in run.sums(SITE, state, 2)[HEAD:]]) / PATIENTS
    seen = images[SITE].reshape(-1, SIDE, SIDE, 1).astype(np.float32)
    return np.array(read.weights), change, scaled(seen, read.layout)


@pytest.mark.parametrize("on", [True, False], ids=["on", "control"])
def test_a_task_with_batches_of_one_shows_no_photograph_to_all_other_hospitals_together(
    on, attack_report, monkeypatch
):
    """The task is the attacker's: one step on one row, whose change the colluders have as far as it leaves."""
    if not on:
        monkeypatch.setattr(summing, "_least", lambda *_: 0)
    weights, change, rows = colluding(batch=1, updates=1)
    found = nearest(matched(weights, change), rows)
    attack_report(
        "nets: gradient inversion by all other hospitals, of a task with batches of one photograph: likeness",
        **{"got" if on else "control": round(found, 2)},
        of=1,
        unit="correlation",
    )
    assert (found < 0.7) is on
