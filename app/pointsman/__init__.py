"""Pointsman: the control plane for the AI agents on one person's desktop."""

__version__ = "0.1.0"
