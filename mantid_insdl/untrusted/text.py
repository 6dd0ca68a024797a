"""YAML and JSON: no deeper, longer or larger than a person or this package writes it."""

from __future__ import annotations

import functools
import json
from typing import Any

from mantid_insdl.errors import printable
from mantid_insdl.untrusted.reading import Origin

LONGEST_YAML = 1_000_000
"""Bytes of a YAML file."""

LONGEST_JSON = 16_000_000
"""Bytes of a JSON text."""

DEEPEST = 50
"""Lists and mappings within each other."""

MOST_PARTS = 100_000
"""Of a YAML document, counting what an alias stands for each time."""

LONGEST_NUMBER = 64
"""Characters of an integer, which Python would read exactly, whatever time that takes."""

# What the parsers raise for texts that are wrong in ways they do not foresee (an impossible date, an unhashable key, a wrong tag).
_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_TOO_DEEP = f"its lists and mappings are more than {DEEPEST} deep"


def yaml_of(text: str, origin: Origin) -> Any:
    """What a YAML text says, in plain values; control characters in it are spelled out.

    Raises
    ------
    InsdlError
        It is no YAML, or is too long, too deep, or grows too large by its aliases.
    """
    import yaml

    if len(text) > LONGEST_YAML:
        raise origin.refused(f"it has {len(text)} characters, and {LONGEST_YAML} are allowed")
    try:
        loader = _loader_class()(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _require_small(node, origin)
        return _cleaned(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        where = f" at line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise origin.refused(f"it is no valid YAML{where}: {error.problem or error.context or ''}") from error
    except yaml.YAMLError as error:
        raise origin.refused(f"it is no valid YAML: {error}") from error
    except RecursionError as error:
        raise origin.refused(_TOO_DEEP) from error
    except _UNFORESEEN as error:
        raise origin.refused(f"it is no valid YAML: {error}") from error


@functools.cache
def _loader_class() -> Any:
    """PyYAML's safe loader, for which no number is too long to be refused."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def number(construct: Any) -> Any:
        def constructed(loader: Any, node: Any) -> Any:
            if len(loader.construct_scalar(node)) > LONGEST_NUMBER:
                problem = f"a number of {len(node.value)} characters"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
            return construct(loader, node)

        return constructed

    for tag in ("int", "float"):
        name = f"tag:yaml.org,2002:{tag}"
        Loader.add_constructor(name, number(yaml.SafeLoader.yaml_constructors[name]))
    return Loader


def _require_small(root: Any, origin: Origin) -> None:
    """Count the parts of a document of nodes, of which aliases make the same one appear several times."""
    sizes: dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise origin.refused(_TOO_DEEP)
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                raise origin.refused("an alias in it stands for what it is a part of", "leave the alias out")
            return sizes[id(node)]
        if isinstance(node.value, str):
            return 1
        sizes[id(node)] = 0
        parts = [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
        sizes[id(node)] = total = 1 + sum(size(part, depth + 1) for part in parts)
        if total > MOST_PARTS:
            raise origin.refused(f"it has more than {MOST_PARTS} parts, counting those that aliases repeat", "leave the aliases out")
        return total

    size(root, 0)


def json_of(text: str | bytes, origin: Origin) -> Any:
    """What a JSON text says, in plain values; control characters in it are spelled out.

    Raises
    ------
    InsdlError
        It is no JSON, or is too long or too deep.
    """
    return _cleaned(exact_json_of(text, origin))


def exact_json_of(text: str | bytes, origin: Origin, longest: int = LONGEST_JSON) -> Any:
    """The same with the control characters as they are, for texts between two processes of this package."""
    if len(text) > longest:
        raise origin.refused(f"it has {len(text)} characters, and {longest} are allowed")
    try:
        found = json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise origin.refused(_TOO_DEEP) from error
    except ValueError as error:
        raise origin.refused(f"it is no valid JSON: {error}") from error
    if _depth_exceeds(found, DEEPEST):
        raise origin.refused(_TOO_DEEP)
    return found


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    return int(text)


def _depth_exceeds(value: Any, allowed: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return allowed < 0 or any(_depth_exceeds(part, allowed - 1) for part in parts if isinstance(part, dict | list))


def literal(text: str) -> str:
    r"""Text in which a dollar sign begins no formula when Matplotlib draws it, for one that it cannot read would be an error.

    >>> literal("a $\\undefined$ title")
    'a \\$\\undefined\\$ title'
    """
    return text.replace("$", r"\$")


def _cleaned(value: Any) -> Any:
    """Plain values whose texts, keys included, have no control characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(one) for name, one in value.items()}
    return value
