"""Whether the weights that were drawn are the weights that were declared."""
