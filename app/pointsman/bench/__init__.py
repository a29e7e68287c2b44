"""What the bench command runs."""
