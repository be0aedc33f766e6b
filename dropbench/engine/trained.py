"""A trained run as an ordinary module: no replica axis, noise as in evaluation, and the preprocessing fitted to its data."""

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

    module: of a user's class as it is; of dropbench's own one whose tensors have lost their replica axis. stacked: whether it
    wants one all the same. sites: where noise may act. graph: what it is to be given by `attach`, if anything.
    """

    module: nn.Module
    stacked: bool
    sites: Sequence[Site]
    graph: Graph | None


def network(
    cls: Any, options: Mapping[str, Any], held: Mapping[str, Tensor], about: Mapping[str, Any], graph: Graph | None
) -> Network:
    """The network that a file of weights is of.

    Parameters
    ----------
    cls : type
        The model's class.
    options : mapping
        Its options.
    held, about : mapping
        The tensors and what is said of them, as `execute.keeping` writes them.
    graph : Graph or None
        What the nodes lie in, if they do.

    Raises
    ------
    LookupError, TypeError, ValueError, RuntimeError, AttributeError
        Where they do not go together.
    """
    shape = Shape(about["shape"], about["view"], about["edges"], about.get("numbers"), about.get("levels", ()))
    stacked = bool(getattr(cls, "stacked", False))
    with torch.random.fork_rng(devices=[]):  # torch's own initialisers draw from its global generator
        if stacked:
            with torch.device("meta"):  # of no use until it has the weights, which may be large
                module = cls(1, shape, about["n_classes"], **options)
        else:
            module = cls(shape, about["n_classes"], **options)
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in own.items():
        wanted = tuple(tensor.shape[1:] if stacked else tensor.shape)
        if name not in held or tuple(held[name].shape) != wanted:
            raise ValueError(f"there is no {name} of shape {wanted} in it")
        if stacked:
            _put(module, name, held[name])
        else:
            with torch.no_grad():
                tensor.copy_(held[name])
    return Network(module, stacked, tuple(module.sites), graph)


def further(
    cls: Any, options: Mapping[str, Any], held: Mapping[str, Tensor], about: Mapping[str, Any], graph: Graph | None
) -> list[nn.Module]:
    """The further networks of an ensemble, from the same file as `network`, which raises the same."""
    parts = [name.removeprefix(MEMBER).partition("/") for name in held if name.startswith(MEMBER)]
    found = []
    for i in sorted({int(number) for number, _, _ in parts}):
        own = {name: held[f"{MEMBER}{i}/{name}"] for number, _, name in parts if int(number) == i}
        found.append(network(cls, options, {**held, **own}, about, graph).module)
    return found


class TrainedModel(nn.Module):
    """What `dropbench.load_model` gives: the network of a run in evaluation mode.

    `forward` takes examples as the network sees them, ordinary tensors [B, ...]. `predict` and `probabilities` take new rows as
    the data set has its own: images [n, C, H, W] in 0..1 or in bytes, rows of features (a DataFrame will do; of a
    table with named columns it must be one), sentences as
    texts, numbers of nodes; of running text, texts that are gone on with.

    Attributes
    ----------
    module : nn.Module
        The network itself: of a user's class an instance of it, else one of dropbench's own; of an ensemble the last.
    members : nn.ModuleList
        Of an ensemble the other networks, whose probabilities are averaged with those of `module`.
    task : str
        `classify`, `regress`, `reconstruct` or `predict_next`.
    view : str
        How the network sees an example: `flat`, `image`, `sequence`, `tokens`, `text` or `graph`.
    classes : tuple of str
        What the classes are called, where the data name them.
    rows : Rows
        What an example of its data set is; `rows.words` are the words by number, of words.
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
        """Use `dropbench.load_model`.

        Parameters
        ----------
        net : Network
            What `network` made of the same file.
        variants : mapping
            The run's by their names, in order.
        held, about : mapping
            The tensors of the file, and what is said of them.
        bf16 : bool
            Whether products are taken in bfloat16, as they were in training.
        members : sequence of nn.Module
            What `further` made of the same file.
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
        # What these rates are is said at each call.
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
        """Maps examples x [B, ...] as the network sees them to logits [B, C], of text [B, T, C], or to their reconstruction.

        carry: of running text, whether the state goes on from the call before; otherwise every call begins a text.
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
        """What one network makes of x."""
        if not self._stacked:
            return _float(module(x, PlainNoise(self._noise)))
        tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        axis_of_one = {name: tensor[None] for name, tensor in tensors.items()}
        return _float(functional_call(module, axis_of_one, (x[None], self._noise))[0])

    def prepare(self, rows: Any) -> Tensor:
        """New rows as the network sees them: in its view, and normalised by what was fitted to its training examples.

        Raises
        ------
        UsageError
            For rows that are not of the data's kind.
        """
        if self._fitted is not None:
            return views.apply(self._fitted.of(rows).to(self._device), self.rows.axes, self.view)
        x = views.apply(self.rows.tensor(rows).to(self._device), self.rows.axes, self.view)
        if self.shift is None or self.scale is None:
            return x
        if self.view == "image":  # in the order in which convolutions read it in training
            x = x.contiguous(memory_format=torch.channels_last)
        return torch.addcmul(self.shift, x, self.scale)

    @torch.no_grad()
    def predict(self, rows: Any) -> Tensor:
        """What the network says of new rows: the class of each, a number, the next word of each text, or its reconstruction.

        Classes and words are numbers, [n] int64, and `classes` has the names of classes where there are any. What is predicted
        as a number is in its own unit, [n]; a reconstruction is on the scale of the rows. Raises UsageError as `prepare`.
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
        """The probability of each class, or of each word to be the next, [n, C].

        Raises
        ------
        UsageError
            Where the network has no classes, and as `prepare` does.
        """
        if self.task in ("reconstruct", "regress"):
            kind = "a reconstruction" if self.task == "reconstruct" else "a predicted number"
            raise UsageError(f"{kind} has no probabilities: ask for predict")
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
        """Of running text the logits after each text's last word, which is what is asked for."""
        if self.view == "text":
            texts = [rows] if isinstance(rows, str) else rows
            return torch.cat([self(self.rows.text(text)[None].to(self._device))[:, -1] for text in texts])
        return torch.cat([self(x) for x in self.prepare(rows).split(_AT_ONCE)])


def _acting(variants: Mapping[str, Variant], sites: Sequence[Site], labels: Container[str]) -> list[Acting]:
    """A run's variants where they act, which its rates tell by their labels; see `planning.variants.places`."""
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
    """Gives a module a tensor of another shape in place of one of its own."""
    where, _, leaf = name.rpartition(".")
    parent = module.get_submodule(where)
    if leaf in dict(parent.named_parameters(recurse=False)):
        setattr(parent, leaf, nn.Parameter(tensor.clone()))
    else:
        setattr(parent, leaf, tensor.clone())
