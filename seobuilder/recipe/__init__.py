"""The recipe language: reading, diagnostics, patterns, formulas and specs. No torch."""
