"""The command line `insdl`."""
