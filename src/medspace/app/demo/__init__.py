"""A whole space on one machine: four hospitals, a company, an authority."""
