"""Models: one architecture a file, built from the stacked layers of `nn/`.

What the engine asks of a model class:

    class MyModel(nn.Module):
        stacked = True                    # False, or absent: an ordinary module without a replica axis; see below
        eats = ("flat",)                  # the views of the data that it accepts, best first; see below
        task = "classify"                 # the default; or "reconstruct", or "predict_next"
        def __init__(self, replicas, shape, n_classes, *, option=default, ...): ...   # shape: one example after viewing
        sites: tuple[Site, ...]           # the places where noise may act, set by the constructor
        def forward(self, x, noise): ...  # x [K, B, *shape] -> logits [K, B, n_classes]

Every site must be reached, and noise asked for at no other: a user's model is tried before it is planned with. So is what it
draws by itself, which is noise in every arm: see docs/engine.md. Where `train.max_norm` should limit the weights of a layer, it
has `incoming`, a dict of the axes of its parameters that come into a unit, by their names: of stacked ones counted with the
replica axis.

A stacked model may fit its starting weights: `start_from(x, draw)` is called once, after the layers' `reset`, with training
examples x [K, n, *shape] and random numbers of each run's own (`nn.init.Draw`). `paces` of a layer say how fast its parameters
learn and decay: see `nn.pace`.

`recipes` names the options of `train` that a model is made for; with another one there is a warning.

`held` of a stacked model says how many numbers an example becomes on its way beside those at sites, where they are many:
cohorts and batches of evaluation are made smaller by it.

The options after `*` are the keys of its YAML, checked against their annotations. A model that is not stacked has the
same contract without the replica axis and without `replicas`: the engine stacks it by `torch.func.vmap`, or, where vmap cannot
be used (engine/vmap_check.py), trains its replicas one after the other.

Views, each with the shape of one example:
    flat      (F)
    image     (C, H, W)
    sequence  (T, F)
    tokens    (T, V), T words out of a vocabulary of V. x holds word numbers, int64 [K, B, T]; 0 is padding, at the start.
    text      (T, V), the same for windows of a running text; the logits are [K, B, T, V]. A model that carries its state from
              one window to the next has `begin()`, which is called before the first window.
    graph     (N, F), a graph of N nodes with F features each. x holds node numbers, int64 [K, B]. `attach(graph, device)` is
              called once with `graph.features` [N, F] and `graph.edges` [2, E].
A model that accepts several views reads `shape.view`; `shape.edges` is E. Of a table `shape.numbers` says how many inputs, from
the first on, are numbers, and `shape.levels` how many of the last ones belong to each category.

Tasks: `classify` gives the logits of classes; `reconstruct` is trained to give back its own input as it was before any noise,
in the same shape; `predict_next` is trained to predict the next word at every step.
"""
