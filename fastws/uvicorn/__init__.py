"""WebSocket for uvicorn: ``uvicorn app:app --ws fastws.uvicorn:WebSocketProtocol``."""

from .websocket import WebSocketProtocol

__all__ = ["WebSocketProtocol"]
