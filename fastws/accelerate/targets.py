"""The packages that can be accelerated, by name."""

from __future__ import annotations

from importlib import import_module

from .patching import Target

__all__ = ["TARGETS"]

_MODULES = (
    # First: those after it may look for it.
    "wsaccel",
    "websockets",
    "wsproto",
    "aiohttp",
    "tornado",
    "gunicorn",
    "autobahn",
    "websocket_client",
    "gevent_websocket",
    "ws4py",
    "eventlet",
    "websockify",
    "lomond",
    "slack_sdk",
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (import_module(f".{name}", __package__).TARGET for name in _MODULES)
}
