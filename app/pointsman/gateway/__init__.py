"""The daemon: the imperative shell round the core."""
