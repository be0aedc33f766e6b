"""The process of a command and those that it starts: their standard streams, and code of a user's that runs in them."""
