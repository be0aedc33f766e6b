"""A user's own table: reads it, finds the kinds of its columns, and fits inputs without using validation or test rows."""
