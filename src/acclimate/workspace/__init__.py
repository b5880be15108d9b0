"""Turns the names in a project's settings into objects. The rooms below get settings, never a
project."""
