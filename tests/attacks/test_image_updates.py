"""What an update of a net for images tells whoever carries it about the image behind it."""

import numpy as np
import pytest

from medspace.learning.exact import fixed, number
from medspace.learning.net.convolution import conv_net
from medspace.learning.net.heads import BINARY
from medspace.learning.net.images import ImageInput
from medspace.privacy.masking.masks import masked
from medspace.runs.masked.contributing import RING

torch = pytest.importorskip("torch", reason="the extra imaging is not installed", exc_type=ImportError)
SIDE = 8
NETWORK = conv_net(ImageInput(SIDE, SIDE, 1, (16,)), (), "relu", BINARY)
RATE, STEPS, TRIES = 0.5, 400, 3
SITE, PEERS = "did:web:site3", ("did:web:site0", "did:web:site1", "did:web:site2")


def photograph(seed=0):
    """A bright spot on a slope, as no two patients have it."""
    chance = np.random.default_rng(seed)
    image = np.linspace(-1.0, 1.0, SIDE)[:, None] * np.linspace(0.5, 1.0, SIDE)[None, :]
    image[2:5, 4:7] += 1.5
    return (image + chance.normal(scale=0.1, size=image.shape)).astype(np.float32).reshape(1, -1)


def update(weights, rows, labels):
    """What a hospital adds to a total after one step on all its rows: the change of each weight, times rows."""
    residuals = BINARY.residuals(NETWORK.logits(weights, rows), labels) / len(rows)
    change = -RATE * NETWORK.gradient(weights, rows, residuals)
    return [fixed(value) for value in (change * len(rows)).tolist()]


def matched(weights, change):
    """An image whose gradient points the same way (Geiping et al. 2020); the best of some beginnings."""
    wanted = torch.from_numpy((-change / RATE).astype(np.float32))
    parts = NETWORK._cut(weights)
    for part in parts:
        part.requires_grad_(True)  # noqa: FBT003 - PyTorch's own
    sign = float(torch.sign(wanted[-1]))  # of the residual, from the bias of the output
    found = []
    for start in range(TRIES):
        torch.manual_seed(start)
        image = torch.randn(1, 1, SIDE, SIDE, requires_grad=True)
        descent = torch.optim.Adam([image], lr=0.1)
        for _ in range(STEPS):
            given = sign * NETWORK._forward(parts, image).sum()
            slopes = torch.autograd.grad(given, parts, create_graph=True)
            flat = torch.cat([slope.reshape(-1) for slope in slopes])
            loss = 1.0 - torch.nn.functional.cosine_similarity(flat, wanted, dim=0)
            descent.zero_grad()
            loss.backward()
            descent.step()
        found.append((float(loss.detach()), image.detach().numpy().reshape(-1)))
    return min(found, key=lambda one: one[0])[1]


def likeness(one, other):
    """The correlation of two images, 0 to 1."""
    return abs(float(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]))


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


def test_the_update_of_many_is_like_none_of_them():
    weights = NETWORK.first(11)
    chance = np.random.default_rng(3)
    rows = np.concatenate([np.roll(photograph(seed), chance.integers(0, 64)) for seed in range(30)])
    labels = (np.arange(30) % 2).astype(float)
    numbers = update(weights, rows, labels)
    found = matched(weights, np.array([number(value) for value in numbers]) / len(rows))
    assert np.mean([likeness(found, row) for row in rows]) < 0.4
