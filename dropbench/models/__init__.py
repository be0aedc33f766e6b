"""Models, one architecture per file, built from the stacked layers of `nn/`.

The engine expects of a model class:

    class MyModel(nn.Module):
        stacked = True                    # False, or absent: an ordinary module without a replica axis; see below
        eats = ("flat",)                  # the views of the data that it accepts, best first; see below
        task = "classify"                 # the default; or "reconstruct", or "predict_next"
        def __init__(self, replicas, shape, n_classes, *, option=default, ...): ...   # shape: one example after viewing
        sites: tuple[Site, ...]           # the places where noise may act, set by the constructor
        def forward(self, x, noise): ...  # x [K, B, *shape] -> logits [K, B, n_classes]

`forward` must reach every declared site and use noise at no other site. A user's model is run on a few examples before
planning to check this. The same run finds random numbers that the model draws itself, which are noise in every arm: see
docs/engine.md. A layer whose weights `train.max_norm` should limit has `incoming`, a dict from the name of a parameter to
the axes of a unit's inputs, counting the replica axis of a stacked model.

A stacked model may fit its initial weights: `start_from(x, draw)` is called once, after the layers' `reset`, with training
examples x [K, n, *shape] and each run's own random numbers (`nn.init.Draw`). The attribute `paces` of a layer says how fast
its parameters learn and decay: see `nn.pace`.

`recipes` names the options of `train` that a model is made for; any other option gives a warning.

`held` of a stacked model is the number of activations per example that are not at sites, if there are many. It makes cohorts
and evaluation batches smaller.

The options after `*` are the keys of its YAML and are checked against their annotations. A model that is not stacked has the
same contract without the replica axis and without `replicas`. The engine stacks it by `torch.func.vmap` or, if vmap cannot
be used (engine/vmap_check.py), trains its replicas one after the other.

Views, with the shape of one example:
    flat      (F)
    image     (C, H, W)
    sequence  (T, F)
    tokens    (T, V), T words from a vocabulary of V. x holds word numbers, int64 [K, B, T]; 0 is padding, at the start.
    text      (T, V), the same for windows of a running text; the logits are [K, B, T, V]. A model that carries its state from
              one window to the next has `begin()`, which is called before the first window.
    graph     (N, F), a graph of N nodes with F features each. x holds node numbers, int64 [K, B]. `attach(graph, device)` is
              called once with `graph.features` [N, F] and `graph.edges` [2, E].
A model that accepts several views reads `shape.view`; `shape.edges` is E. For a table, `shape.numbers` is how many of the
first inputs are numbers, and `shape.levels` how many of the last inputs belong to each category.

Tasks: `classify` outputs the logits of classes; `reconstruct` is trained to output its own input without noise, in the same
shape; `predict_next` is trained to predict the next word at every step.
"""
