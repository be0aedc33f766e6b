"""Sparse products and the normalised adjacency against dense ones by hand."""

from __future__ import annotations

import pytest
import torch
from graphs import graph, normalised
from hypothesis import given, settings
from hypothesis import strategies as st

from dropbench.data.base import Graph
from dropbench.nn.graph import Adjacency, Features, Pattern, _csr


@settings(max_examples=30)
@given(k=st.integers(1, 4), r=st.integers(1, 7), c=st.integers(1, 9), h=st.integers(1, 18), seed=st.integers(0, 9999))
def test_a_stack_of_sparse_products_is_one_of_dense_ones(k: int, r: int, c: int, h: int, seed: int) -> None:
    """Empty rows, columns and matrices included; both gradients too."""
    generator = torch.Generator().manual_seed(seed)
    there = torch.rand(r, c, generator=generator) < 0.4
    rows, columns = there.nonzero().unbind(1)
    dense = torch.randn(k, r, c, generator=generator, dtype=torch.float64) * there
    values = dense[:, rows, columns].requires_grad_()
    x = torch.randn(k, c, h, generator=generator, dtype=torch.float64, requires_grad=True)
    out = Pattern(rows, columns, (r, c)).product(values, x)
    torch.testing.assert_close(out, dense @ x)
    g = torch.randn(k, r, h, generator=generator, dtype=torch.float64)
    of_values, of_x = torch.autograd.grad(out, (values, x), g)
    torch.testing.assert_close(of_x, dense.mT @ g)
    torch.testing.assert_close(of_values, (g @ x.mT).detach()[:, rows, columns])


def test_gradients_equal_autograds_numeric_check() -> None:
    there = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 0, 1], [0, 1, 0]])
    pattern = Pattern(*there.nonzero().unbind(1), (4, 3))
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pattern.product, (values, x))


def test_the_number_of_replicas_may_change() -> None:
    links = Adjacency(graph().edges, 61)
    x = torch.randn(5, 61, 4, generator=torch.Generator().manual_seed(0))
    whole = links.propagate(links.matrices(None, 5), x)
    for replicas in ([0], [1, 4], [0, 2, 3], [0, 1, 2, 3, 4]):
        assert torch.equal(links.propagate(links.matrices(None, len(replicas)), x[replicas]), whole[replicas])


@pytest.mark.parametrize("dense", [False, True])
def test_normalised_adjacency(dense: bool) -> None:
    edges = graph().edges
    kept = (torch.rand(3, edges.shape[1], generator=torch.Generator().manual_seed(1)) < 0.5).float()
    kept[1] = 1
    links = Adjacency(edges, 61, dense)
    eye = torch.eye(61).expand(3, -1, -1).contiguous()
    some, every = links.propagate(links.matrices(kept, 3), eye), links.propagate(links.matrices(None, 3), eye)
    for k in range(3):
        torch.testing.assert_close(some[k].double(), normalised(edges, kept[k], 61), atol=1e-6, rtol=1e-6)
    assert torch.equal(some[1], every[0]), "no noise, and noise that drops nothing"
    assert torch.equal(some, some.mT), "a dropped edge is dropped both ways"
    assert float(some[0, 60, 60]) == 1, "a node without edges keeps itself"


@settings(max_examples=30)
@given(nodes=st.integers(2, 12), data=st.data())
def test_an_edge_counts_once_however_it_is_listed(nodes: int, data: st.DataObject) -> None:
    """Both directions, repetitions, loops and any order: the same matrix to the last bit, and the same table."""
    node = st.integers(0, nodes - 1)
    pairs = data.draw(st.lists(st.tuples(node, node).filter(lambda e: e[0] != e[1]), min_size=1, max_size=20))
    once = sorted({(min(e), max(e)) for e in pairs})
    listed = data.draw(st.permutations(pairs + [(b, a) for a, b in pairs] + [(n, n) for n in range(nodes)]))
    expected, got = (Adjacency(torch.tensor(edges).T, nodes) for edges in (once, listed))
    eye = torch.eye(nodes)[None]
    assert torch.equal(got.propagate(got.matrices(None, 1), eye), expected.propagate(expected.matrices(None, 1), eye))
    by_hand = normalised(torch.tensor(once).T, torch.ones(len(once)), nodes)
    torch.testing.assert_close(got.propagate(got.matrices(None, 1), eye)[0].double(), by_hand, atol=1e-6, rtol=1e-6)
    assert torch.equal(Graph(eye[0], torch.tensor(listed).T).edges, torch.tensor(once).T)


def test_a_graph_without_edges_is_its_loops() -> None:
    for edges in (torch.empty(2, 0, dtype=torch.int64), torch.tensor([[1], [1]])):
        links = Adjacency(edges, 3)
        assert torch.equal(links.propagate(links.matrices(None, 1), torch.eye(3)[None])[0], torch.eye(3))


def test_eigenvalues_are_in_minus_1_to_1() -> None:
    """Why it is renormalised (Kipf & Welling 2017, section 2.2); self-loops keep -1 itself away."""
    links = Adjacency(graph().edges, 61, dense=True)
    values = torch.linalg.eigvalsh(links.matrices(None, 1)[0].double())
    assert float(values[-1]) == pytest.approx(1, abs=1e-6) and float(values[0]) > -1 + 1e-3


@pytest.mark.parametrize("density", [0.08, 0.6])
@pytest.mark.parametrize("noise", ["none", "mask", "fill"])
def test_features_times_weights(density: float, noise: str) -> None:
    """Sparse and dense features, and noise that fills zeros (alpha dropout) at one replica of three."""
    x = graph(density=density).features
    generator = torch.Generator().manual_seed(3)
    weight = torch.randn(3, 37, 5, generator=generator)
    seen = x.expand(3, -1, -1).clone()
    if noise == "mask":
        seen *= torch.rand(seen.shape, generator=generator) < 0.5
    if noise == "fill":
        seen[1] -= 0.3
    out = Features(x).times(None if noise == "none" else seen, weight)
    torch.testing.assert_close(out, seen @ weight)
    if noise != "mask":
        alone = Features(x).times(None, weight[:1])
        assert torch.equal(out[:1], alone), "a replica without noise does not know of the others"


def test_places_beyond_32_bits_have_64() -> None:
    """Of four matrices with a row of 2**30 numbers, whose entry is the sixth."""
    starts, columns = _csr(torch.tensor([0]), torch.tensor([5]), (1, 2**30), 4)
    assert starts.tolist() == [0, 1, 2, 3, 4]
    assert columns.tolist() == [k * 2**30 + 5 for k in range(4)]
