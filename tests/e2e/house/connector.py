"""A connector as it is, in a process of its own (`killable`)."""

from medspace.app.compose.connector import ConnectorParts
from tests.e2e.house.killable import live

if __name__ == "__main__":
    live(ConnectorParts())
