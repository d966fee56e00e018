"""How good a model is, over all sites and for each group of persons, from counts that add up under masks.

    plan         what a task wants to have counted: groups, thresholds, the fewest persons of a cell
    membership   which rows of a site are in which group, rare groups together
    counts       a site's integers for one group, and what their total holds
    hiding       which groups and which cuts of the chances may be shown at all
    figures      from the counts of a total to figures with their intervals, worst groups and gaps

Whoever fits a model brings the chance of each row and a fine bin of its score; nothing here knows a kind of model.
"""
