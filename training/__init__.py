"""Makes the weights that ship; see README.md beside this file."""
