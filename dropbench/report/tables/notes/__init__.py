"""The notes under a table: what a reader must know besides the numbers. They claim no more than the data show."""
