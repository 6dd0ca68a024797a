"""Networks, simulated data for them, training, calibration, and the bundles that carry the result."""
