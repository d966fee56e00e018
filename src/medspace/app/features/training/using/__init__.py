"""Models outside of a connector: as files, checked, and on one's own rows.

exporting  a model of this connector as a file
rows       one's own rows from a CSV file
images     one's own images from a folder, a .zip or an .npz
predicting the scores of these rows, and who signed the card of a file; nothing is asked of anybody
verbs      the commands
sdk        the same for programs
"""
