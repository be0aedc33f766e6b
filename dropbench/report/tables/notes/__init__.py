"""The sentences under a table: what a reader must know beside the numbers. They claim no more than the data say."""
