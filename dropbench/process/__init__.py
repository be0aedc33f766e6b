"""The process of a command and those that it starts: their standard streams, and users' code that runs in them."""
