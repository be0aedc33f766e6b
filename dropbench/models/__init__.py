"""Models: one architecture a file, built from the stacked layers of `nn/`.

What the engine asks of a model class:

    class MyModel(nn.Module):
        stacked = True                    # False, or absent: an ordinary module of one replica; see below
        eats = ("flat",)                  # the views of the data that it takes, best first: flat, image, sequence
        def __init__(self, replicas, shape, n_classes, *, option=default, ...): ...   # shape: one example after viewing
        sites: tuple[Site, ...]           # the places where noise may act, set by the constructor
        def forward(self, x, noise): ...  # x [K, B, *shape] -> logits [K, B, n_classes]

The options after `*` are the keys of its YAML, checked against their annotations. A model that is not stacked has the
same contract without the replica axis and without `replicas`: the engine carries its replicas one after the other.
"""
