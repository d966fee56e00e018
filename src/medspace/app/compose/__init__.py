"""The only wiring: which features there are, and how a connector is made of them and of the rooms."""
