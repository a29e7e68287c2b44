"""Upstream HTTP: one file for each dialect."""
