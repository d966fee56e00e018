"""Images with a table of labels as an asset: a folder with `labels.csv`, or an .npz; Pillow decodes JPEG.

source.load(asset, path, dictionary) -> CheckedImages      reads and checks all of it, or refuses it
"""
