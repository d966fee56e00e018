"""Making a model fairer to groups of patients, by sums over all sites alone: nothing here knows a kind of model.

plan         what a task asks for
balance      weights of group and outcome, and the difference of mean scores that a penalty holds small
equalising   a threshold for each group
model        what is published of it
description  the same as people read it
"""
