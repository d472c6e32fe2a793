"""Closeout: the Python side of the lending Vault."""

__version__ = "0.0.0"
