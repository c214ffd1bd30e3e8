"""Face crops as people make them with OpenCV: find the face, align it by the eyes, crop, equalize, resize.

The result is a dataset of its own, named for its options: `jaffe~haar+align+margin20+clahe`. The name is sufficient to
make it again, so experiments and records refer to it. This file imports nothing, so that such a name is parsed without
NumPy.
"""
