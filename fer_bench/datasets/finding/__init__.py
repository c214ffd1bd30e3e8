"""Which files below a data folder are a dataset's, by names alone. Imports no NumPy, so that listing is light."""
