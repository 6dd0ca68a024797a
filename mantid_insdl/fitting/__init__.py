"""Spin waves fitted to a map: likelihood, refinement, comparison of magnetic models, what a map can tell,
and what to measure next.

It knows no network: any magnet with a material file can be fitted, to constant-energy slices, a cut or a powder map.
"""
