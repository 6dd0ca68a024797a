"""What only training needs: recipes, simulated data, measurements of them, fitting of weights, calibration and test figures."""
