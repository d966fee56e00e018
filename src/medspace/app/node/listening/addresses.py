"""Whether an address is free to listen on; it may be taken a moment later."""

import socket


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens there, and one may."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the connector will
        try:
            trial.bind((host, port))
        except OSError:
            return False
        return True
