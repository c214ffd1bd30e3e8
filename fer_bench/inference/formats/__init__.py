"""File formats of models: what a file is, by its contents, and how each kind is loaded without code of its authors."""
