"""Mantid's directives of an algorithm's page, for a site of our own: what the algorithm itself says of its summary and properties."""

from __future__ import annotations

import functools
import re
import runpy
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ALGORITHMS = Path(__file__).resolve().parents[2] / "algorithms"
MANTID_PAGE = "https://docs.mantidproject.org/nightly/algorithms/{}-v1.html"
DIRECTIONS = {0: "input", 1: "output", 2: "input and output"}


@functools.cache
def algorithm(name: str) -> Any:
    """The algorithm with its properties declared."""
    from mantid.api import AlgorithmManager

    runpy.run_path(str(ALGORITHMS / f"{name}.py"))  # which subscribes it
    made = AlgorithmManager.createUnmanaged(name)
    made.initialize()
    return made


class AlgorithmDirective(SphinxDirective):
    """A directive that stands for a piece of reStructuredText about the algorithm of its page."""

    has_content = True

    @property
    def name_of_page(self) -> str:
        return Path(self.env.docname).name.removesuffix("-v1")

    def text(self) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.text(), allow_section_headings=True) if self.text() else []


class Summary(AlgorithmDirective):
    def text(self) -> str:
        return algorithm(self.name_of_page).summary()


class Related(AlgorithmDirective):
    def text(self) -> str:
        return "See also: " + ", ".join(f":ref:`algm-{name}`" for name in algorithm(self.name_of_page).seeAlso())


class Categories(AlgorithmDirective):
    def text(self) -> str:
        return f"*Category:* {algorithm(self.name_of_page).category()}"


class Source(AlgorithmDirective):
    def text(self) -> str:
        return f"*Source:* ``algorithms/{self.name_of_page}.py``"


class Properties(AlgorithmDirective):
    def text(self) -> str:
        made = algorithm(self.name_of_page)
        lines = [".. list-table::", "   :header-rows: 1", "", "   * - Name", "     - Direction", "     - Default", "     - Description"]
        for name in (*made.mandatoryProperties(), *made.outputProperties()):
            one = made.getProperty(name)
            default = "*mandatory*" if one.isValid else f"``{one.valueAsStr}``" if one.valueAsStr else ""
            cells = (name, DIRECTIONS[int(one.direction)], default, " ".join(one.documentation.split()).replace("*", r"\*"))
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}".rstrip() for number, cell in enumerate(cells)]
        return "\n".join(["Properties", "----------", "", *lines])


def with_title(app: Sphinx, docname: str, source: list[str]) -> None:
    """What the directive ``algorithm`` means: the page's label and its title."""
    if docname.startswith("algorithms/"):
        name = Path(docname).name.removesuffix("-v1")
        source[0] = source[0].replace(".. algorithm::", f".. _algm-{name}:\n\n{name}\n{'=' * len(name)}", 1)


def reference_to_mantid(app: Sphinx, env: Any, node: nodes.Element, content: nodes.Node) -> nodes.Node | None:
    """A reference to an algorithm of Mantid itself leads to Mantid's documentation."""
    name = content.astext().removeprefix("algm-")
    if not str(node.get("reftarget", "")).startswith("algm-"):
        return None
    return nodes.reference("", name, internal=False, refuri=MANTID_PAGE.format(name))


def with_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings write absolute values such as |Q| as they are; reStructuredText would look for a substitution."""
    for number, line in enumerate(lines):
        parts = re.split(r"(``.+?``|`.+?`)", line)
        lines[number] = "".join(part if part.startswith("`") else re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts)


def only_where_defined(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """What a package takes from its modules is described there, under one name: two may be a module's as well."""
    home, page = getattr(obj, "__module__", None), Path(app.env.docname).name
    return True if what == "module" and page.startswith("mantid_insdl") and home not in (None, page) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """What Sphinx calls."""
    parts = {"summary": Summary, "relatedalgorithms": Related, "properties": Properties, "categories": Categories, "sourcelink": Source}
    for name, kind in parts.items():
        app.add_directive(name, kind)
    app.connect("source-read", with_title)
    app.connect("autodoc-skip-member", only_where_defined)
    app.connect("autodoc-process-docstring", with_bars)
    app.connect("missing-reference", reference_to_mantid)
    return {"parallel_read_safe": True}
