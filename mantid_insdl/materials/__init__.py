"""Descriptions of magnets: YAML files, validated, with their parameters, ranges and sources."""

from mantid_insdl.materials.loading import load_material, material_names, models_of, name_for_reading, parse_parameters
from mantid_insdl.materials.material import Material
from mantid_insdl.materials.schema import Parameter

__all__ = ["Material", "Parameter", "load_material", "material_names", "models_of", "name_for_reading", "parse_parameters"]
