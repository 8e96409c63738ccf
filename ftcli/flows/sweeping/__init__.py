"""`ftcli sweep`: a recipe run once for each setting and seed, and what sets the settings apart."""
