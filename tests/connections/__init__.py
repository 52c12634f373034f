"""Servers and clients over real sockets: the same scenarios for asyncio and blocking code."""
