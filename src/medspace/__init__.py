"""medspace: a trusted data space for medicine."""

__version__ = "0.1.0"
