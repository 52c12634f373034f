"""WebSocket servers and clients for blocking code."""

from .broadcast import broadcast
from .client import ClientConnection, connect, reconnect, unix_connect
from .connection import Connection
from .server import Server, ServerConnection, basic_auth, serve, unix_serve

__all__ = [
    "ClientConnection",
    "Connection",
    "Server",
    "ServerConnection",
    "basic_auth",
    "broadcast",
    "connect",
    "reconnect",
    "serve",
    "unix_connect",
    "unix_serve",
]
