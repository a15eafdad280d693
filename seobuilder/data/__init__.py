"""From a recipe's data files to batches of tensors."""
