"""How Sphinx builds the documents: `.ci/docs` runs it, with warnings as errors."""

import enum
import html
import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

HERE = Path(__file__).parent
_break = re.compile(r"(::|[_/.]|(?<=[a-z])(?=[A-Z]))")

# The reference is made from the source; the compiled modules have the same docstrings.
os.environ["FASTWS_EXTENSIONS"] = "0"
sys.path.insert(0, str(HERE.parent))

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
linkcheck_timeout = 20
linkcheck_retries = 3
copybutton_prompt_text = "$ "

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
maximum_signature_line_length = 80


def break_names(app: object, doctree: nodes.document, docname: str) -> None:
    """Say where long paths and names may break, so that tables fit a phone; short ones may not."""
    for literal in list(doctree.findall(nodes.literal)):
        text = literal.astext()
        if " " in text:
            continue
        if len(text) <= 20:
            literal["classes"].append("whole")
        else:
            shown = _break.sub(r"\1<wbr>", html.escape(text))
            code = f'<code class="docutils literal notranslate">{shown}</code>'
            literal.replace_self(nodes.raw("", code, format="html"))


def leave_out_constructors(
    app: object,
    what: str,
    name: str,
    thing: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str] | None:
    """Show no arguments where nobody calls the class: of exceptions and enumerations."""
    is_enum = isinstance(thing, type) and issubclass(thing, enum.Enum)
    return ("", "") if signature and (what == "exception" or is_enum) else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", leave_out_constructors)
    app.connect("doctree-resolved", break_names)
