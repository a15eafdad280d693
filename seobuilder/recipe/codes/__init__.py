"""What every diagnostic's code means, and how to mend what it reports.

R: the recipe's language. P: the plan. D: data. H: findings about the health of a built model. T:
findings about training.
"""

from seobuilder.recipe.codes.code import Code
from seobuilder.recipe.codes.data import DATA
from seobuilder.recipe.codes.health import HEALTH
from seobuilder.recipe.codes.language import LANGUAGE
from seobuilder.recipe.codes.plan import PLAN
from seobuilder.recipe.codes.probes import PROBES
from seobuilder.recipe.codes.training import TRAINING

__all__ = ["CODES", "Code"]

CODES: dict[str, Code] = {**LANGUAGE, **PLAN, **DATA, **HEALTH, **PROBES, **TRAINING}
