"""Formats: bytes to structs and back, no sockets."""
