"""Poe Proxy: one Poe subscription, every AI tool."""

__version__ = "0.1.0"
