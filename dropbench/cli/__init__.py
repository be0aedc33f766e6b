"""The command line: words, what each command does, and what it prints."""
