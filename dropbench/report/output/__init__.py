"""A report as text, data, a page, or pictures."""
