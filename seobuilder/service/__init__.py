"""The names of the SEO service's Python guide, each a thin call into the engine.

    weight_initialization     configs, initializer, norms, manager, analysis
    custom_models             a model from a configuration, which is a recipe as well
    deep_learning_framework   training
    autograd_utils            gradients: norms, problems, clipping, times

With this folder on `sys.path` the modules are imported by their bare names, as the guide does; the
classes are the same ones either way, for these modules define none. `docs/service.md` says what
each name does, and how to move to YAML.
"""
