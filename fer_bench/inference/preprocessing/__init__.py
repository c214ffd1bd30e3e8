"""How models take their images, read from a small YAML file: size, scaling, labels."""
