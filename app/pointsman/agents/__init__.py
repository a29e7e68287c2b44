"""Who an agent is: its name and its key."""
