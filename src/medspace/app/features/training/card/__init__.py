"""The card of a model: what it is, how good it is for whom, what was protected, and what it is not for; signed.

facts      the card as data, the same in every language, with its signature
drawing    its figures as SVG, readable in black and white
printing   the card as one HTML file that prints
"""
