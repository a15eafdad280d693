"""The learning rate as a function of how far training has come."""

from __future__ import annotations

from math import ceil, cos, pi

from seobuilder.recipe.spec.training import Schedule


def rate_factor(schedule: Schedule, step: int, progress: float, steps: int) -> float:
    """What multiplies the highest rate in a step.

    Args:
        schedule: warm-up and decay.
        step: steps before this one.
        progress: share of the training before this step, 0 to 1.
        steps: of the whole training, as far as is known before it: batches are cut anew in each
            epoch, so that their number may vary by one.
    """
    rising = schedule.warmup_steps
    if rising is None:
        rising = ceil(schedule.warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    start = min(rising / steps, 1.0)
    done = (progress - start) / (1 - start) if start < 1 else 0.0
    done = min(max(done, 0.0), 1.0)
    if schedule.decay == "none":
        return 1.0
    share = 1 - done if schedule.decay == "linear" else (1 + cos(pi * done)) / 2
    return schedule.end + (1 - schedule.end) * share
