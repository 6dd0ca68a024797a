"""Reading material files, and parameter values out of text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from mantid_insdl.errors import MaterialError, did_you_mean
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.schema import SpecError
from mantid_insdl.untrusted.reading import Origin, read_text
from mantid_insdl.untrusted.text import LONGEST_YAML, yaml_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def material_names() -> list[str]:
    """Names of the materials that come with the package."""
    return sorted(f.name.removesuffix(".yaml") for f in resources.files(__package__).iterdir() if f.name.endswith(".yaml"))


_shipped: dict[str, Material] = {}


def name_for_reading(material: str) -> str:
    """What a map is read as: the family of a material that comes with the package, else what was given.

    The name of the family will do, and does not contradict a file that names another model of it; a file's own material has none.
    """
    return load_material(material).family if material in material_names() else material


def models_of(name: str) -> list[str]:
    """The materials of a family; of anything else that alone."""
    if name in material_names():
        return [name]
    return [one for one in material_names() if load_material(one).family == name] or [name]


def load_material(name_or_path: str | Path | Material) -> Material:
    """A material by its name (see `material_names`) or from a YAML file.

    Raises
    ------
    MaterialError
        If there is no such material, or its file is wrong (the message says where).
    """
    if isinstance(name_or_path, Material):
        return name_or_path
    name, path = str(name_or_path), Path(name_or_path)
    if name in _shipped:
        return _shipped[name]
    if name in material_names():
        _shipped[name] = parse_material(resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"), name)
        return _shipped[name]
    if path.suffix.lower() not in (".yaml", ".yml"):
        family = [one for one in material_names() if load_material(one).family == name]
        if family:
            raise MaterialError(f"'{name}' is a family of models", f"its models are {', '.join(family)}", "name one of these")
        known = ", ".join(material_names())
        meant = did_you_mean(name, material_names())
        raise MaterialError(f"there is no material '{name}'{meant}", f"known are {known}", "use one of these, or the path of a .yaml file")
    try:
        text = read_text(path, _origin(name), LONGEST_YAML)
    except FileNotFoundError:
        raise MaterialError(f"cannot read the material file '{path}'", "there is no such file", "check the path") from None
    return parse_material(text, name, path.absolute().parent)


def _origin(name: str) -> Origin:
    return Origin(f"the material file '{name}'", MaterialError)


def parse_material(text: str, origin: str, folder: Path | None = None) -> Material:
    """A material out of the text of its file.

    Parameters
    ----------
    text
        YAML.
    origin
        Name of the file, for messages.
    folder
        That of the file, beside which its CIF file is.

    Raises
    ------
    MaterialError
        If it is wrong (the message says where).
    """
    data = yaml_of(text, _origin(origin))
    if not isinstance(data, dict):
        raise MaterialError(f"the material file '{origin}' holds no material", "it is not a mapping of keys to values")
    try:
        return Material.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        raise _material_error(error.errors(), text, origin) from None


def _material_error(errors: list[ErrorDetails], text: str, origin: str) -> MaterialError:
    """The first of the errors in words, with its line."""
    # a misspelt key is both unknown and missing: speak of the unknown one, which is in the file
    first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
    cause = first.get("ctx", {}).get("error")
    location, reason, fix = first["loc"], first["msg"].removeprefix("Value error, "), "correct it there"
    if isinstance(cause, SpecError):
        location, fix = (*location, *cause.location), cause.fix or fix
    elif first["type"] == "extra_forbidden":
        known = _keys_at(Material, location[:-1])
        meant = did_you_mean(str(location[-1]), known)
        reason = f"there is no such key{meant}"
        fix = f"known here are {', '.join(known)}" if known and not meant else fix
    where = ".".join(str(x) for x in location)
    line = _line_of(text, location)
    return MaterialError(
        f"the material file '{origin}' is wrong" + (f" at '{where}'" if where else "") + (f" (line {line})" if line else ""),
        reason,
        fix,
    )


def _keys_at(part: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Keys of the part of a material file at a path of keys and numbers; none where the path is not followed."""
    for step in location:
        if isinstance(step, str) and step in part.model_fields:
            inside = _parts_of(part.model_fields[step].annotation)
            if len(inside) != 1:
                return []
            part = inside[0]
        elif isinstance(step, str):
            return []
    return list(part.model_fields)


def _parts_of(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, in lists and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [part for inside in get_args(annotation) for part in _parts_of(inside)]


def _line_of(text: str, location: tuple[Any, ...]) -> int | None:
    """Line (from 1) of a key path in a YAML text; of its last part that exists."""
    import yaml

    node = yaml.compose(text)
    line = None
    for key in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == key]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, str):
            continue  # the name of one of several forms, as pydantic gives it
        elif isinstance(node, yaml.SequenceNode) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
    return line


_ASSIGNMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^\s,;=]+)\s*")


def parse_parameters(text: str) -> dict[str, float]:
    """Parameter values out of text such as ``"J1=0.65, J2=0.012"``; empty text gives none.

    Raises
    ------
    MaterialError
        If a part is not of the form name=number, or a name comes twice.
    """
    values: dict[str, float] = {}
    for part in filter(str.strip, re.split(r"[,;]", text)):
        match = _ASSIGNMENT.fullmatch(part)
        try:
            number = float(match[2]) if match else math.nan
        except ValueError:
            number = math.nan
        if match is None or not math.isfinite(number):
            raise MaterialError(f"cannot read '{part.strip()}' as a parameter", "it is not name=number", "write J1=0.65, J2=0.012")
        if match[1] in values:
            raise MaterialError(f"{match[1]} is given twice", fix="give each parameter once")
        values[match[1]] = number
    return values
