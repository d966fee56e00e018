"""Where credentials and lists are at a connector's public door."""

RECEIVED_DOOR = "/credentials/received"
STATUS_DOOR = "/status-lists"
TRUST_DOOR = "/trust-list"
