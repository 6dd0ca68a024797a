"""Workbench panels: model - view - presenter over the algorithms. The first panel is still to be written."""
