"""Recipe to plan: the tree of nodes, and the rule that decides each parameter. No torch."""
