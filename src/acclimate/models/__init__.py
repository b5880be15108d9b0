"""Language models: the catalogue, fetching, and one engine for each way of running them."""
