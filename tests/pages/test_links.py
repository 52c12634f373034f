"""Links of the documents lead somewhere, without asking the network."""

import re

import pytest

from pages.blocks import name, pages

_link = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_code = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_heading = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)


def anchors(path):
    """The anchors of a page's headings, as web sites of repositories and ours make them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _heading.findall(text)
    }


@pytest.mark.parametrize("path", pages(), ids=name)
def test_links_lead_somewhere(path):
    for link in _link.findall(_code.sub("", path.read_text(encoding="utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link
