"""The library: one record, and the vector, text and graph indexes that are derived from it."""
