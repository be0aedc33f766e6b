"""A trained run as an ordinary module: no replica axis, in evaluation mode, with the preprocessing fitted to its data."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from typing_extensions import override

from dropbench.data import views
from dropbench.data.base import Graph
from dropbench.data.rows import Rows
from dropbench.data.tabular.prepare import Columns, Fitted
from dropbench.data.views import Shape
from dropbench.dropout.base import Variant
from dropbench.engine import stack
from dropbench.engine.members import averaged
from dropbench.engine.noise import StackNoise
from dropbench.engine.result import COLUMNS, LOGIT, MEMBER, SCALE, SHIFT, TARGET
from dropbench.engine.site_noise import Acting
from dropbench.engine.user_module import PlainNoise
from dropbench.errors import UsageError
from dropbench.nn.activation import function
from dropbench.sites import Site

_AT_ONCE = 256
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Network:
    """A model with the weights of one run.

    module: an instance of the user's class, or one of dropbench's own whose tensors have no replica axis. stacked: whether its
    `forward` expects a replica axis all the same. sites: where noise may act. graph: the graph to pass to `attach`, if any.
    """

    module: nn.Module
    stacked: bool
    sites: Sequence[Site]
    graph: Graph | None


def network(
    cls: Any, options: Mapping[str, Any], held: Mapping[str, Tensor], about: Mapping[str, Any], graph: Graph | None
) -> Network:
    """Rebuilds the network of a file of weights.

    Parameters
    ----------
    cls : type
        The model's class.
    options : mapping
        Its options.
    held, about : mapping
        The tensors of the file and their description, as `execute.keeping` writes them.
    graph : Graph or None
        The graph of the nodes, if the data are nodes of a graph.

    Raises
    ------
    LookupError, TypeError, ValueError, RuntimeError, AttributeError
        If class, options and tensors do not fit together.
    """
    shape = Shape(about["shape"], about["view"], about["edges"], about.get("numbers"), about.get("levels", ()))
    stacked = bool(getattr(cls, "stacked", False))
    with torch.random.fork_rng(devices=[]):  # torch's own initialisers draw from its global generator
        if stacked:
            with torch.device("meta"):  # no memory is allocated, because the stored weights replace all tensors
                module = cls(1, shape, about["n_classes"], **options)
        else:
            module = cls(shape, about["n_classes"], **options)
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in own.items():
        wanted = tuple(tensor.shape[1:] if stacked else tensor.shape)
        if name not in held or tuple(held[name].shape) != wanted:
            raise ValueError(f"it has no tensor {name} of shape {wanted}")
        if stacked:
            _put(module, name, held[name])
        else:
            with torch.no_grad():
                tensor.copy_(held[name])
    return Network(module, stacked, tuple(module.sites), graph)


def further(
    cls: Any, options: Mapping[str, Any], held: Mapping[str, Tensor], about: Mapping[str, Any], graph: Graph | None
) -> list[nn.Module]:
    """Returns the further networks of an ensemble, from the same file as `network`; raises the same errors."""
    parts = [name.removeprefix(MEMBER).partition("/") for name in held if name.startswith(MEMBER)]
    found = []
    for i in sorted({int(number) for number, _, _ in parts}):
        own = {name: held[f"{MEMBER}{i}/{name}"] for number, _, name in parts if int(number) == i}
        found.append(network(cls, options, {**held, **own}, about, graph).module)
    return found


class TrainedModel(nn.Module):
    """The network of a run in evaluation mode, as returned by `dropbench.load_model`.

    `forward` takes examples in the form that the network receives, ordinary tensors [B, ...]. `predict` and `probabilities`
    take new rows in the form of the data set: images [n, C, H, W] in 0..1 or in bytes; rows of features (a DataFrame is
    possible, and required for a table with named columns); sentences as texts; node numbers; for running text, texts that
    are to be continued.

    Attributes
    ----------
    module : nn.Module
        The network itself: an instance of the user's class or one of dropbench's own; for an ensemble its last network.
    members : nn.ModuleList
        For an ensemble, the other networks, whose probabilities are averaged with those of `module`.
    task : str
        `classify`, `regress`, `reconstruct` or `predict_next`.
    view : str
        The form in which the network receives an example: `flat`, `image`, `sequence`, `tokens`, `text` or `graph`.
    classes : tuple of str
        The names of the classes, if the data have names for them.
    rows : Rows
        The form of the data set's examples; if they are words, `rows.words` lists the words by number.
    epoch : int
        The epoch, from 1, whose weights these are.
    """

    def __init__(
        self,
        net: Network,
        variants: Mapping[str, Variant],
        held: Mapping[str, Tensor],
        about: Mapping[str, Any],
        bf16: bool,
        members: Sequence[nn.Module] = (),
    ) -> None:
        """Called by `dropbench.load_model`, which should be used instead.

        Parameters
        ----------
        net : Network
            The result of `network` for the same file.
        variants : mapping
            The run's variants by name, in order.
        held, about : mapping
            The tensors of the file and their description.
        bf16 : bool
            Whether products are computed in bfloat16, as they were in training.
        members : sequence of nn.Module
            The result of `further` for the same file.
        """
        super().__init__()
        self.members = nn.ModuleList(members)
        self.module, self.task, self.view, self.epoch = net.module, about["task"], about["view"], about["epoch"]
        numbers = {"N": 0, "T": 1, "W": 1}.get(about["axes"])
        self.rows = Rows(
            axes=about["axes"],
            shape=tuple(about["example"]),
            numbers=0 if numbers is None else about["shape"][numbers],
            words=None if about["words"] is None else tuple(about["words"]),
        )
        self._stacked, self._bf16 = net.stacked, bf16
        self._graph, self._attached = net.graph, torch.device("meta")
        learned = {n.removeprefix(LOGIT): t[None] for n, t in held.items() if n.startswith(LOGIT)}
        acting = _acting(variants, net.sites, {*about["rates"], *learned})
        # The rates are set at each call of `forward`.
        self._noise = StackNoise.of_arms([acting], list(variants.values()), net.sites, [0], 1, _CPU)
        self._noise.training = False
        self._streams = [a.stream for a in acting]
        for i, a in enumerate(acting):
            logit = learned.get(a.stream)
            rate = torch.tensor([about["rates"][a.label]]) if logit is None else function("sigmoid")(logit)
            self.register_buffer(f"rate_{i}", rate)
        self.classes: tuple[str, ...] = tuple(about.get("classes") or ())
        self._fitted = None
        if about.get("columns"):
            state = {name.removeprefix(COLUMNS): t for name, t in held.items() if name.startswith(COLUMNS)}
            self._fitted = Fitted.restored(Columns.loaded(about["columns"]), state)
        self.register_buffer("target", held.get(TARGET))
        self.register_buffer("shift", held.get(SHIFT))
        self.register_buffer("scale", held.get(SCALE))

    @override
    def forward(self, x: Tensor, *, carry: bool = False) -> Tensor:
        """Maps examples x [B, ...], in the form that the network receives, to its output.

        The output is logits [B, C], for text [B, T, C]; one or two numbers per example, [B, 1 or 2], for a predicted number;
        or a reconstruction. carry: for running text, whether the state of the call before is kept; otherwise a text begins.
        """
        at = self._noise.streams()
        for i, stream in enumerate(self._streams):
            at[stream].rate = getattr(self, f"rate_{i}")
        if self._graph is not None and self._attached != x.device:
            for module in (self.module, *self.members):
                module.attach(self._graph, x.device)
            self._attached = x.device
        if not carry:
            stack.begin(self.module)
        with self._precision(x.device.type):
            outputs = [self._through(module, x) for module in (self.module, *self.members)]
        return averaged(outputs) if self.members else outputs[0]

    def _through(self, module: nn.Module, x: Tensor) -> Tensor:
        """Returns the output of one of the networks for x."""
        if not self._stacked:
            return _float(module(x, PlainNoise(self._noise)))
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        axis_of_one = {name: tensor[None] for name, tensor in tensors.items()}
        return _float(functional_call(module, axis_of_one, (x[None], self._noise))[0])

    def prepare(self, rows: Any) -> Tensor:
        """Converts new rows to the form that the network receives: in its view, normalised as its training examples were.

        Raises
        ------
        UsageError
            If the rows are not of the data's kind.
        """
        if self._fitted is not None:
            return views.apply(self._fitted.of(rows).to(self._device), self.rows.axes, self.view)
        x = views.apply(self.rows.tensor(rows).to(self._device), self.rows.axes, self.view)
        if self.shift is None or self.scale is None:
            return x
        if self.view == "image":  # the memory order of images in training
            x = x.contiguous(memory_format=torch.channels_last)
        return torch.addcmul(self.shift, x, self.scale)

    @torch.no_grad()
    def predict(self, rows: Any) -> Tensor:
        """Returns the predictions for new rows: the class of each, a number, the next word of each text, or a reconstruction.

        Classes and words are given as numbers, [n] int64; `classes` has the names of the classes if there are any. A predicted
        number is in the target's unit, [n]. A reconstruction is on the scale of the rows. Raises UsageError like `prepare`.
        """
        out = self._outputs(rows)
        if self.task == "regress":
            assert self.target is not None
            return out[:, 0] * self.target[1] + self.target[0]
        if self.task != "reconstruct":
            return out.argmax(-1)
        if self.shift is not None and self.scale is not None:
            out = (out - self.shift) / self.scale
        return out.reshape(-1, *self.rows.shape) if self.view == "flat" else out

    @torch.no_grad()
    def probabilities(self, rows: Any) -> Tensor:
        """Returns the probability of each class, or of each word to be the next one, [n, C].

        Raises
        ------
        UsageError
            If the network has no classes, and like `prepare`.
        """
        if self.task in ("reconstruct", "regress"):
            kind = "reconstructs its input" if self.task == "reconstruct" else "predicts a number"
            raise UsageError(f"this network {kind} and gives no probabilities: use predict")
        return self._outputs(rows).softmax(-1)

    target: Tensor | None
    shift: Tensor | None
    scale: Tensor | None

    @property
    def _device(self) -> torch.device:
        return next((t.device for t in self.module.parameters()), _CPU)

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return torch.autocast(device, dtype=torch.bfloat16) if self._bf16 else nullcontext()

    def _outputs(self, rows: Any) -> Tensor:
        """Returns the network's output for new rows; for running text, only the logits after each text's last word."""
        if self.view == "text":
            texts = [rows] if isinstance(rows, str) else rows
            one = torch.zeros((1, 1), dtype=torch.int64)
            parts = [self.rows.text(text)[None] for text in texts] or [one]
            return torch.cat([self(part.to(self._device))[:, -1] for part in parts])[: len(texts)]
        x = self.prepare(rows)
        # A network of the user's may not take an empty batch, so for no rows it gets one that is left out again.
        batches = x.split(_AT_ONCE) if len(x) else [x.new_zeros((1, *x.shape[1:]))]
        return torch.cat([self(batch) for batch in batches])[: len(x)]


def _acting(variants: Mapping[str, Variant], sites: Sequence[Site], labels: Container[str]) -> list[Acting]:
    """Returns where a run's variants act, derived from the labels of its rates: see `planning.variants.places`."""
    found: list[Acting] = []
    for site in sites:
        before = len(found)
        for name, variant in variants.items():
            label = site.name if len(variants) == 1 else f"{site.name}/{name}"
            if label in labels:
                stream = label if len(found) > before else site.name
                found.append(Acting(variant, name, site, 0.5, stream, label))
    return found


def _float(out: Tensor) -> Tensor:
    return out.float()


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Replaces a tensor of a module by one of another shape."""
    where, _, leaf = name.rpartition(".")
    parent = module.get_submodule(where)
    if leaf in dict(parent.named_parameters(recurse=False)):
        setattr(parent, leaf, nn.Parameter(tensor.clone()))
    else:
        setattr(parent, leaf, tensor.clone())
