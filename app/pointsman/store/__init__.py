"""What is kept: the ledger, the audit, prices and settings, in one database."""
