"""What watches training: gradients, updates, weights, signals and attention, and what goes wrong.

    from seobuilder.training.monitors import Monitor

`Monitor` watches any module in a loop of one's own; `Watch` and `Measure` are the callbacks that do
the same in `seobuilder.train`.
"""

from seobuilder.training.monitors.callbacks import Measure, Watch
from seobuilder.training.monitors.guard import Guard
from seobuilder.training.monitors.meter import Meter
from seobuilder.training.monitors.monitor import Monitor

__all__ = ["Guard", "Measure", "Meter", "Monitor", "Watch"]
