"""Files become documents: a parser for each format, each file in a process of its own."""
