"""From a plan to modules."""
