"""`python -m seobuilder`: the command `seobuild`, for launchers that start modules."""

from seobuilder.cli.main import main

main()
