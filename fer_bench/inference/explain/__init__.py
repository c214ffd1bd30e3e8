"""Where models look: heat maps of faces, and their means over the classes of a dataset."""
