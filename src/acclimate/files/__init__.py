"""Files that users keep: JSON Lines, tables of rows, paths as they were typed."""
