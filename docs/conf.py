"""The documentation site: `scripts/docs` builds it into build/docs. Why Sphinx: docs/decisions/packaging.md."""

from acclimate._version import __version__

project = "Acclimate"
copyright = "the Acclimate maintainers"  # noqa: A001 -- Sphinx's name
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"Acclimate {__version__}"
html_show_sphinx = False
html_copy_source = False
nitpicky = False
default_role = "code"  # docstrings write `name` as Markdown does
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
exclude_patterns = ["images"]
