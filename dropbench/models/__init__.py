"""Models: one architecture a file, built from the stacked layers of `nn/`.

What the engine asks of a model class:

    class MyModel(nn.Module):
        stacked = True                    # False, or absent: an ordinary module of one replica; see below
        eats = ("flat",)                  # the views of the data that it takes, best first; see below
        task = "classify"                 # the default; or "reconstruct", or "predict_next"
        def __init__(self, replicas, shape, n_classes, *, option=default, ...): ...   # shape: one example after viewing
        sites: tuple[Site, ...]           # the places where noise may act, set by the constructor
        def forward(self, x, noise): ...  # x [K, B, *shape] -> logits [K, B, n_classes]

The options after `*` are the keys of its YAML, checked against their annotations. A model that is not stacked has the
same contract without the replica axis and without `replicas`: the engine stacks it by `torch.func.vmap`, or, where that does
not do (engine/vmap_check.py), carries its replicas one after the other.

Views: flat (F), image (C, H, W), sequence (T, F). tokens: shape (T, V), T words out of V; x is their numbers, int64
[K, B, T], and 0 is padding, at the start. text: the same for windows of a running text; a model that carries its state from one
to the next has `begin()`, which is called before the first, and gives logits [K, B, T, V]. graph: shape (N, F), and x is the
numbers of the nodes asked for, [K, B]; `attach(graph, device)` is called once with `graph.features` [N, F] and
`graph.edges` [2, E]. `shape.view` says which it is, for a model that eats several; `shape.edges` is E.

Tasks: reconstruct is trained to give back its own input, before any noise, in its own shape; predict_next to tell the next
word at every step.
"""
