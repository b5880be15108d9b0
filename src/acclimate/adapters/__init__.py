"""Weights that ship."""
