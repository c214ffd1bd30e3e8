"""Preparing images as people do with OpenCV: find the face, align, crop, equalise, resize. A room above datasets.

What is prepared is a dataset of its own, named for how it was made: `jaffe~haar+align+margin20+clahe`. The name says it
all, so that an experiment or a record that names it can be run again. This file imports nothing, so that reading such
a name needs no NumPy.
"""
