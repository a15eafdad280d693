"""Drawing weights: keyed random streams, the samplers, and the initialization of a whole model."""
