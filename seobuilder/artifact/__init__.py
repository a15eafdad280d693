"""The build folder: written in one step, verified, read back."""
