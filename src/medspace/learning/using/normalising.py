"""A model with the centring and scaling of one place in place of the federation's, the layers being shared.

What FedBN (Li et al. 2021) does for nets with batch normalisation: statistics of inputs stay local. The nets here
have none between their layers, so it is the columns that go into the first one whose normalisation is local; of
images the channels, by the means of each over an image.
"""

from dataclasses import replace

import numpy as np

from medspace.learning.using.packing import Computed, Values

COUNTED = 20.0  # rows that the federation's statistics count for: few rows, or a column constant here, break nothing


def scales(model: Computed) -> bool:
    """Whether a model holds the scaling that it was trained with. Linear ones are written for columns as measured."""
    return bool(np.any(model.scale != 1.0))


def normalised(model: Computed, values: Values) -> Computed:
    """The model with centres and scales mixed from its own and those of rows (Schneider et al. 2020)."""
    columns = model.standardised(values)  # type: ignore[arg-type]  # those that belong to the model; in units of the federation: its mean is 0, its variance 1
    share = len(columns) / (len(columns) + COUNTED)
    middle, variance = share * columns.mean(axis=0), share * columns.var(axis=0) + (1.0 - share)
    return replace(model, centre=model.centre + model.scale * middle, scale=model.scale * np.sqrt(variance))
