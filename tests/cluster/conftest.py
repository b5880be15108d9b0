"""The tiny models of the tests of tuning."""

from ..tuning.conftest import tiny_file  # noqa: F401
