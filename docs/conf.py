"""How Sphinx builds the documents: `.ci/docs` runs it, with warnings as errors."""

import os
import sys
from pathlib import Path

# The reference is made from the source; the compiled modules have the same docstrings.
os.environ["FASTWS_EXTENSIONS"] = "0"
sys.path.insert(0, str(Path(__file__).parents[1]))

import fastws  # noqa: E402

project = "fastws"
version = release = fastws.__version__
html_title = f"fastws {version}"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}
templates_path: list[str] = []

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 4
copybutton_prompt_text = "$ "

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "inherited-members": True}
python_use_unqualified_type_names = True
maximum_signature_line_length = 80

# Pages that other parts of the project bring may be missing.
suppress_warnings = ["toc.empty_glob"]
