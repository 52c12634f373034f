"""Connections of websockets that are faster without any patch: for its ``create_connection=``.

from fastws.accelerate.websockets.connections import ServerConnection
from websockets.asyncio.server import serve

async with serve(handler, "localhost", 8765, create_connection=ServerConnection): ...
"""

from __future__ import annotations

import asyncio
from typing import Any

from websockets.asyncio import client, server
from websockets.asyncio.messages import Assembler
from websockets.client import ClientProtocol
from websockets.server import ServerProtocol

from .connection import data_received, get, send
from .protocol import receive_data, receive_eof

__all__ = ["ClientConnection", "ServerConnection"]

if not hasattr(server.ServerConnection, "set_connection_exc"):
    raise ImportError("these connections need websockets 17: before, they failed in another way")


class _ServerProtocol(ServerProtocol):
    receive_data = receive_data
    receive_eof = receive_eof


class _ClientProtocol(ClientProtocol):
    receive_data = receive_data
    receive_eof = receive_eof


class _Assembler(Assembler):
    get = get


class ServerConnection(server.ServerConnection):
    """A server's connection."""

    data_received = data_received
    send = send

    def __init__(self, protocol: ServerProtocol, *arguments: Any, **options: Any) -> None:
        # websockets makes the protocol before it asks for a connection.
        if type(protocol) is ServerProtocol:
            protocol.__class__ = _ServerProtocol
        super().__init__(protocol, *arguments, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.recv_messages.__class__ = _Assembler


class ClientConnection(client.ClientConnection):
    """A client's connection."""

    data_received = data_received
    send = send

    def __init__(self, protocol: ClientProtocol, *arguments: Any, **options: Any) -> None:
        if type(protocol) is ClientProtocol:
            protocol.__class__ = _ClientProtocol
        super().__init__(protocol, *arguments, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.recv_messages.__class__ = _Assembler
