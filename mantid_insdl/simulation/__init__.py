"""Material + parameters + axes + instrument -> map: constant-energy slices, cuts along a path, powders."""
