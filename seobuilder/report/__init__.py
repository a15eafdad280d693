"""What was measured on a built model, and how it is shown."""
