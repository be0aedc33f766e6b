"""A user's own table: read, its columns told apart, and made into numbers without a look at validation or test rows."""
