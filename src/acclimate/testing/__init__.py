"""Contracts that third parties can hold their own stores, engines, parsers and chunkers to."""
