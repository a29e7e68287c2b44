"""The command line: thin clients of the admin door."""
