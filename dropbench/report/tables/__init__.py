"""Arms, comparisons, and the tables and sentences that show them."""
