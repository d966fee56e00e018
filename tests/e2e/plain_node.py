"""A connector of the product as a program that a test can kill (`house.killable.Killable`)."""

from medspace.app.compose.connector import ConnectorParts
from tests.e2e.house.killable import live

if __name__ == "__main__":
    live(ConnectorParts())
