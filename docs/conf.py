"""Sphinx configuration of the documentation site; `scripts/docs` builds it."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))
sys.path.insert(0, str(DOCS.parent))

from nlpreg.version import VERSION  # noqa: E402  (found by the path above)

project = "nlpreg"
author = "the nlpreg developers"
release = version = VERSION
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "registries"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "example_plugin"]
html_theme = "furo"
html_title = "nlpreg"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Links to files of the repository that are not pages, such as the example plugin.
suppress_warnings = ["myst.xref_missing", "myst.header"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_custom_sections = ["Shape", "Source"]
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Docstrings name arguments and values in single backticks.
default_role = "code"
# Pygments has no lexer for Jsonnet; JavaScript's colours it well enough.
highlight_language = "none"
