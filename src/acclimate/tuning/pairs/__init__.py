"""The user's own training pairs: read, checked, and compared with the test questions."""
