"""Jobs that take minutes and cross the rooms below: compare, tune, optimise, export."""
