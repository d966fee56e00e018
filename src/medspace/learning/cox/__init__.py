"""Proportional hazards (Cox 1972): what changes the risk of an event over time, each site with its own baseline."""
