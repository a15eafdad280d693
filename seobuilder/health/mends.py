"""What of a recipe to change so that a finding goes: one function a code, one table at the end."""

from __future__ import annotations

from collections.abc import Callable

from seobuilder.health.mender import CLOSE, LOOSE, Changes, Mender, module_of
from seobuilder.health.size_checks import far_band
from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.ends import all_positions, pool_at_an_end
from seobuilder.planning.norm_remedies import norm_draws
from seobuilder.planning.remedies import redraw, set_value
from seobuilder.planning.skip_remedies import with_skips
from seobuilder.planning.sound import excess, is_zero
from seobuilder.planning.stray import adds
from seobuilder.report.model import Finding

SMALL_HEAD, ZERO_HEAD = "method: normal, std: 0.02", "method: zeros"


def mended(mender: Mender) -> list[Finding]:
    """The findings with the changes that mend them, where there are any."""
    return [
        finding
        if finding.changes or finding.code not in MENDS
        else finding.model_copy(update={"changes": MENDS[finding.code](mender, finding)})
        for finding in mender.findings
    ]


def _signal(mender: Mender, finding: Finding) -> Changes:
    """H020, H021: the stack that multiplies, or what comes before it and overflows."""
    module = module_of(finding)
    if finding.measured is not None:
        return mender.module(module)
    too_large = [
        assignment
        for name in mender.upstream(module)
        for assignment in mender.strays(name, (0.0, LOOSE[1]))
    ]
    return mender.redrawn(too_large) if too_large else mender.module(module)


def _drawn(mender: Mender, finding: Finding) -> Changes:
    """H001 to H003, H009 and H026: parameters of one rule, with the module if that ails too."""
    if mender.ails(module_of(finding)):
        return mender.module(module_of(finding))
    by_name = {a.parameter.name: a for a in mender.plan.assignments}
    rule = by_name[finding.place].rule
    places = [f.place for f in mender.findings if MENDS.get(f.code) is _drawn]
    alike = [by_name[place] for place in dict.fromkeys(places) if by_name[place].rule == rule]
    return mender.redrawn(alike)


def _head(mender: Mender, finding: Finding) -> Changes:
    """H010: what grows the signal before the head, else the head."""
    if finding.measured is None or finding.expected is None:
        return _signal(mender, finding)
    for module in mender.upstream(finding.place):
        if mender.ails(module):
            return mender.module(module)
    records = mender.probes.signals if mender.probes else ()
    answer = next((r.variance for r in records if r.name == finding.place), None)
    if answer is not None and answer < 0.2 * (finding.measured - finding.expected):
        return ()  # the labels are far from zero, not the answers
    heads = [a for a in mender.drawn_in(finding.place, ("head",)) if not is_zero(a)]
    sizes = [size for head in heads if (size := excess(head)) is not None]
    if not sizes:
        return ()
    draw = SMALL_HEAD if max(sizes) > CLOSE[1] else ZERO_HEAD
    return redraw(mender.plan, {head.parameter.name: draw for head in heads})


def _dead(mender: Mender, finding: Finding) -> Changes:
    """H022: biases that are no zeros, then weights, then the activation."""
    module = module_of(finding)
    if biases := mender.biases(module):
        return mender.redrawn(biases)
    if strays := mender.strays(module, LOOSE):
        return mender.redrawn(strays)
    return set_value(mender.loaded, ("modules", module, "activation"), "leaky_relu")


def _saturated(mender: Mender, finding: Finding) -> Changes:
    """H023: queries and keys, with what else is too large, then a norm of them."""
    module = module_of(finding)
    if mender.ails(module) or mender.strays(module, LOOSE):
        return mender.module(module)
    norm, layer = "rms_norm", f"{finding.place}.query_norm"
    drawn = norm_draws(mender.loaded, layer, norm)
    spec = mender.loaded.recipe.modules[module]
    if drawn is None or getattr(spec, "qk_norm", norm) != "none":
        return ()
    changes = set_value(mender.loaded, ("modules", module, "qk_norm"), norm)
    return (*changes, *drawn) if changes else ()


def _alike(mender: Mender, finding: Finding) -> Changes:
    """H024: the next remedy of the stack."""
    return mender.module(module_of(finding))


def _silent(mender: Mender, finding: Finding) -> Changes:
    """H025: layers of zeros in a row, or before units that can't wake; else dead units.

    Where a pool reads but the end where a recurrent layer begins, it reads all positions instead.
    """
    module = module_of(finding)
    records = mender.probes.parameters if mender.probes else ()
    silent = [r.name for r in records if r.wakes is None and r.name.startswith(f"{module}.")]
    if pool := pool_at_an_end(mender.plan, silent):
        return all_positions(mender.loaded, pool)
    around = [
        name
        for name in mender.modules
        if module in mender.upstream(name) or name in mender.upstream(module)
    ]
    zeros = [a for name in around for a in mender.drawn_in(name) if is_zero(a)]
    inner = {a.rule for a in zeros if a.parameter.role != "residual_out"}
    if zeros:  # ends of branches may be zero, unless the rule is one that draws others so as well
        return mender.redrawn(a for a in zeros if a.rule in inner or not inner)
    dead = [f for f in mender.findings if f.code == "H022" and module_of(f) in around]
    if dead:
        return _dead(mender, dead[0])
    return next((mender.module(name) for name in around if mender.ails(name)), ())


def _far(mender: Mender, finding: Finding) -> Changes:
    """H028: the module's next remedy if it ails, else the weights that are far."""
    module = module_of(finding)
    heads = [a for a in mender.drawn_in(module, ("head",)) if a.parameter.name == finding.place]
    if heads:
        return redraw(mender.plan, {head.parameter.name: SMALL_HEAD for head in heads})
    if mender.ails(module):
        return mender.module(module)
    node = mender.modules[module]
    return mender.redrawn(mender.strays(module, far_band(node), adds=adds(node)), LOOSE)


def _slow(mender: Mender, finding: Finding) -> Changes:
    """H029: what ails in front of the output; else weights that stray, skip paths, and norms."""
    names = mender.upstream(finding.place)
    if ailing := next((name for name in names if mender.ails(name)), ""):
        return mender.module(ailing)
    nodes = [mender.modules[name] for name in names if blocks_of(mender.modules[name])[1]]
    for node in nodes:
        changes = mender.sized(node) or with_skips(mender.loaded, mender.plan, node)
        if changes := changes or mender.module(node.name):
            return changes
    return ()


MENDS: dict[str, Callable[[Mender, Finding], Changes]] = {
    "H001": _drawn,
    "H002": _drawn,
    "H003": _drawn,
    "H009": _drawn,
    "H010": _head,
    "H020": _signal,
    "H021": _signal,
    "H022": _dead,
    "H023": _saturated,
    "H024": _alike,
    "H025": _silent,
    "H026": _drawn,
    "H028": _far,
    "H029": _slow,
}
"""Codes that an edit of the recipe mends. The others say that a tensor is not what its rule drew,
or, as H027, what a person has to look for."""
