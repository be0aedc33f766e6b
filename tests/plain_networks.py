"""Ordinary networks, all written without dropbench."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def perceptron(in_features: int, num_classes: int, width: int = 64, p: float = 0.3) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(in_features, width),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(width, num_classes),
    )


def normalised(in_features: int, num_classes: int) -> nn.Sequential:
    """A network that ends with a softmax, which the loss applies as well."""
    return nn.Sequential(nn.Linear(in_features, 8), nn.Dropout(0.2), nn.Linear(8, num_classes), nn.Softmax(-1))


class Convolutions(nn.Module):
    """A network that reshapes by `view`, as most do, and calls one dropout twice."""

    def __init__(self, in_channels: int, num_classes: int = 1000) -> None:
        super().__init__()
        self.one = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 6, 3, padding=1)
        self.maps = nn.Dropout2d(0.25)
        self.drop = nn.Dropout(0.5)
        self.hidden = nn.Linear(6 * 4 * 4, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.one(x))
        x = self.maps(F.max_pool2d(torch.relu(self.two(x)), 2))
        x = self.drop(x.view(x.size(0), -1))
        logits: Tensor = self.head(self.drop(torch.relu(self.hidden(x))))
        return logits


class Rows(nn.Module):
    """A recurrent network over the rows of an image, or over any steps; `kind` is LSTM, GRU or RNN."""

    def __init__(
        self,
        input_size: int,
        num_classes: int,
        kind: str = "LSTM",
        layers: int = 3,
        batch_first: bool = True,
        both: bool = False,
        packed: bool = False,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        cls = getattr(nn, kind)
        self.rnn = cls(input_size, 8, layers, batch_first=batch_first, dropout=0.4, bidirectional=both)
        self.head = nn.Linear(16 if both else 8, num_classes)
        self.batch_first, self.packed, self.mixed = batch_first, packed, mixed

    def forward(self, x: Tensor) -> Tensor:
        if self.mixed:  # a common mistake: the axes do not match batch_first
            last: Tensor = self.head(self.rnn(x)[0][:, -1])
            return last
        given = x if self.batch_first else x.transpose(0, 1)
        if self.packed:
            lengths = torch.arange(len(x)) % x.shape[1] + 1
            packed = nn.utils.rnn.pack_padded_sequence(
                given, lengths, batch_first=self.batch_first, enforce_sorted=False
            )
            out, _ = nn.utils.rnn.pad_packed_sequence(
                self.rnn(packed)[0], batch_first=self.batch_first, total_length=x.shape[1]
            )
        else:
            out, _ = self.rnn(given)
        logits: Tensor = self.head(out.mean(1 if self.batch_first else 0))
        return logits


class Words(nn.Module):
    """An LSTM over the words of a sentence."""

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 12, 2, batch_first=True, dropout=0.3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(12, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        _, (state, _) = self.lstm(self.embedding(x))
        logits: Tensor = self.head(self.drop(state[-1]))
        return logits


class Positions(nn.Module):
    """A network with separate embeddings of words and of their positions."""

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(vocab_size, 16, padding_idx=0), nn.Embedding(64, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        logits: Tensor = self.head(torch.tanh(self.words(x) + self.places(places)).mean(1))
        return logits


class Encoder(nn.Module):
    """torch's transformer encoder over words, with a mask for the padding."""

    def __init__(self, vocab_size: int, num_classes: int, batch_first: bool = True, p: float = 0.1) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, p, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, num_classes)
        self.batch_first = batch_first

    def forward(self, x: Tensor) -> Tensor:
        padding = x == 0
        embedded = self.embedding(x)
        embedded = embedded if self.batch_first else embedded.transpose(0, 1)
        out = self.encoder(embedded, src_key_padding_mask=padding & ~padding.all(1, keepdim=True))
        logits: Tensor = self.head(out.mean(1 if self.batch_first else 0))
        return logits


class Attended(nn.Module):
    """torch's transformer encoder over a sequence of features; without `batch_first` it attends to the other examples."""

    def __init__(self, in_features: int, num_classes: int, width: int = 16, batch_first: bool = True) -> None:
        super().__init__()
        self.up = nn.Linear(in_features, width)
        layer = nn.TransformerEncoderLayer(width, 4, 32, 0.1, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(self.up(x)).mean(1))
        return logits


class DropPath(nn.Module):
    """Drops a branch per example, like DropPath in timm and other libraries."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0:
            return x
        keep = x.new_empty(len(x), *(1,) * (x.ndim - 1)).bernoulli_(1 - self.drop_prob)
        return x * keep / (1 - self.drop_prob)


class Residual(nn.Module):
    """A network with two residual branches, AlphaDropout and FeatureAlphaDropout."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(in_features, 12)
        self.branches = nn.ModuleList(nn.Sequential(nn.Linear(12, 12), nn.SELU()) for _ in range(2))
        self.paths = nn.ModuleList(DropPath(0.1 * i) for i in range(2))
        self.alpha = nn.AlphaDropout(0.1)
        self.features = nn.FeatureAlphaDropout(0.2)
        self.head = nn.Linear(12, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch, path in zip(self.branches, self.paths, strict=True):
            x = x + path(branch(x))
        logits: Tensor = self.head(self.features(self.alpha(x)))
        return logits


class Attending(nn.Module):
    """A single nn.MultiheadAttention with any of its options."""

    def __init__(self, input_size: int, num_classes: int, **options: object) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(input_size, 2, dropout=0.2, **options)  # type: ignore[arg-type]
        self.head = nn.Linear(input_size, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        given = x if self.attend.batch_first else x.transpose(0, 1)
        out = self.attend(given, given, given)[0]
        logits: Tensor = self.head(out.mean(1 if self.attend.batch_first else 0))
        return logits


class Functional(nn.Module):
    """A network that drops by F.dropout; with `always`, in evaluation too."""

    def __init__(self, in_features: int, num_classes: int, always: bool = False) -> None:
        super().__init__()
        self.first, self.drop, self.head = nn.Linear(in_features, 8), nn.Dropout(0.5), nn.Linear(8, num_classes)
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.dropout(self.first(x), self.drop.p or 0.5, self.training or self.always)
        logits: Tensor = self.head(hidden)
        return logits


class Counting(nn.Module):
    """A network whose output depends on earlier calls, in evaluation too."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.first, self.memory, self.head = nn.Linear(in_features, 8), Memory(), nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.memory(self.first(x)))
        return logits


class Memory(nn.Module):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x + self.calls


class Reversed(nn.Module):
    """A network that returns its hidden units before its logits."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.first, self.drop, self.head = nn.Linear(in_features, 8), nn.Dropout(0.5), nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.relu(self.first(x))
        return hidden, self.head(self.drop(hidden))


class Silent(nn.Module):
    """A network without dropout."""

    def __init__(self, num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(64, width), nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.relu(self.first(x)))
        return logits


class Moved(nn.Module):
    """A network with dropout on channels last, on channels first, and on flattened positions."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv, self.dense = nn.Conv2d(in_channels, 6, 1), nn.Linear(6, 6)
        self.last, self.first, self.steps, self.turned = (nn.Dropout(0.1) for _ in range(4))
        self.head = nn.Linear(6, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.last(self.dense(self.conv(x).movedim(1, -1)))
        x = self.first(x.movedim(-1, 1)).flatten(2)
        x = self.steps(x.transpose(1, 2))
        logits: Tensor = self.head(self.turned(x.transpose(1, 2)).mean(-1))
        return logits


class Folded(nn.Module):
    """A network that merges steps and examples into one axis before a dense layer and a dropout."""

    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        self.steps, self.drop, self.head = nn.Linear(input_size, 8), nn.Dropout(0.1), nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.drop(self.steps(x.flatten(0, 1)))
        logits: Tensor = self.head(rows.unflatten(0, (len(x), -1)).mean(1))
        return logits


class Fixed(nn.Module):
    """A network whose number of outputs is a parameter with an unknown name."""

    def __init__(self, n: int = 7) -> None:
        super().__init__()
        self.first = nn.Linear(64, n)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.first(x)
        return logits


class Colours(nn.Module):
    """A network whose default number of channels is that of colour images."""

    def __init__(self, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(in_channels, 4, 3), nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.conv(x).mean((2, 3)))
        return logits


class Broken(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(1)) + missing  # type: ignore[name-defined,no-any-return]  # noqa: F821


class Number(nn.Module):
    """Predicts one number: as [B, 1], or squeezed as in much code, either the last axis or every axis of length 1."""

    def __init__(self, in_features: int, squeezed: str = "last") -> None:
        super().__init__()
        self.first, self.drop, self.head = nn.Linear(in_features, 64), nn.Dropout(0.5), nn.Linear(64, 1)
        self.squeezed = squeezed

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(torch.relu(self.first(x))))
        return {"no": lambda: out, "last": lambda: out.squeeze(-1), "every": out.squeeze}[self.squeezed]()


class Averaged(nn.Module):
    """Predicts the mean of 32 numbers, as [B]."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.first, self.drop, self.head = nn.Linear(in_features, 64), nn.Dropout(0.5), nn.Linear(64, 32)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.drop(torch.relu(self.first(x)))).mean(-1)
        return out


class Fixed5(nn.Module):
    """A network of five inputs whose number of outputs is a parameter with an unknown name."""

    def __init__(self, n: int = 7) -> None:
        super().__init__()
        self.first = nn.Linear(5, n)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.first(x)
        return logits


class Cubes(nn.Module):
    """A network whose output has one axis too many."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.first(x)[:, None]
        return out


def text() -> str:
    return "no network"


def bert(vocab_size: int, num_labels: int) -> nn.Module:
    """Return a Hugging Face encoder from a configuration, without pretrained weights."""
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=vocab_size,
        num_labels=num_labels,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
    )
    network: nn.Module = BertForSequenceClassification(config)
    return network
