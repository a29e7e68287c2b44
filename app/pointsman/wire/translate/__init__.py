"""From one dialect to another, through one neutral form."""
