"""The client of the tests of the protocol: it keeps no connection, so that none stays open behind a module."""

import httpx

HTTP = httpx.Client(timeout=20, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))
