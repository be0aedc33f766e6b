"""A report as text, data, a page, or pictures."""

FORMATS = ("rich", "csv", "markdown", "latex", "json", "parquet", "html", "verdict")
