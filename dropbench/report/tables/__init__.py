"""Arms, comparisons, and the tables and sentences made of them."""
