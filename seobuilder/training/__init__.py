"""Training a recipe's model on its data: `seobuild train`, and `seobuilder.train` in Python.

A run is a pure function of the recipe and its data: order and dropout come from streams keyed by
seed, epoch and step, so that what was interrupted goes on bit for bit from its last checkpoint.
"""
