"""Descriptions of magnets: YAML files, validated, with their parameters, ranges and sources."""

from mantid_insdl.materials.material import Material, Parameter, load_material, material_names, parse_parameters

__all__ = ["Material", "Parameter", "load_material", "material_names", "parse_parameters"]
