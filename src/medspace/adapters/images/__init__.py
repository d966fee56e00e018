"""Images with a table of labels as an asset: a folder with `labels.csv`, or an .npz; Pillow decodes JPEG.

load(asset, path, dictionary) -> CheckedImages      reads and checks all of it, or refuses it
"""

from medspace.adapters.images.errors import ImageRefusedError
from medspace.adapters.images.source import CheckedImages, load

__all__ = ["CheckedImages", "ImageRefusedError", "load"]
