"""A report as text, data, a page, or pictures."""

FORMATS = ("rich", "csv", "markdown", "latex", "json", "parquet", "html", "verdict")
ENDINGS = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tex": "latex",
    ".txt": "rich",
}
"""The endings of files in which a report can be written, and the format that each means."""
PICTURES = (".pdf", ".svg", ".png", ".jpg", ".jpeg", ".eps")
"""The endings of files of pictures, in which figures may be wanted and no report can be written."""
