"""What is in a text: personal data and secrets, found by rules kept as data."""
