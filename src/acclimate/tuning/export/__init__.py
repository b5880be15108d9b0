"""Adapters in the formats of other programs, each checked against what is served here."""
