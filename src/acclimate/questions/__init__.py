"""Question sets: read, written, made from documents, imported, split, checked for leaks."""
