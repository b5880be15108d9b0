"""Work on the nodes of a Ray cluster: actors that each hold something that takes long to make, calls
to them, and what becomes of calls whose actor is lost. It knows no document, model or question."""
