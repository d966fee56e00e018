"""Models whose totals carry noise: what they reveal about a patient is bounded by a privacy budget.

    planning    what each total costs and how large its noise is; follows from the task alone, with the mechanism
    summing     a site's clipped integers
    following   where noisy totals lead, the same at every site
    stepping    one Newton step from noisy sums, and how far off it is
    solving     small linear systems, the same bits on every processor
    measuring   how good a model is, from noisy counts
    robust      combining the totals of several groups of sites
    masked      the port for masked rounds (`runs.masked.ports.Summed`)

One total gives means and deviations of the columns; each of a fixed number of further ones is a gradient of clipped
scores, along which the coefficients move, or a Newton sum of clipped rows; a last one, where the task says so, is of
how good the model is. What a person adds is clipped, whatever is asked, so nothing here depends on whether a question
is sensible. The data decide neither how many questions there are nor what is refused.
"""
