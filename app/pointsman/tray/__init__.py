"""The tray app: the only place that imports Qt. Importing this package loads none of it."""
