"""Texts and pictures become vectors; encoders that rank passages or mark answers in them."""
