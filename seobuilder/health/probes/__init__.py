"""What data shows that runs through a model: signal, gradient, attention, the first steps."""
