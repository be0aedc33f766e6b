"""The command line: parsing, what each command does, and what it prints."""
