"""The machine's services, one face each: folders, keychain, single instance."""
