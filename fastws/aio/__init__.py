"""WebSocket servers and clients for asyncio."""

from .broadcast import broadcast
from .client import ClientConnection, connect, unix_connect
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
    "serve",
    "unix_connect",
    "unix_serve",
]
