"""Where the states and arrows of a machine stand: layers from the first state down.

The method is that of Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical
system structures", 1981), in four steps:

1. Arrows that close a cycle are turned round, and each state's layer is the longest path to it.
2. What an arrow crosses between its ends is a chain of nodes, one a layer. One of them is the
   arrow's label, as large as its text, so that no text lies on another.
3. Each layer is put in the order of the mean places of its neighbours, down and up in turn; the
   order that has the fewest crossings is kept.
4. Each layer's nodes are moved to where their neighbours are, as near as the order and the gaps
   allow: least squares, by pooling those that would overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Arrow", "Layout", "Place", "lay_out"]

#: Pixels between the nodes of a layer, between layers, and between the ends of arrows at a state.
_BESIDE, _BELOW, _PORT = 18.0, 26.0, 22.0
#: How often the layers are put in order, and how often they are moved.
_SORTINGS, _MOVINGS = 16, 40

Size = tuple[float, float]


class Arrow(NamedTuple):
    """An arrow to be drawn: the numbers of the states at its ends, and its label's size."""

    source: int
    target: int
    label: Size


class Place(NamedTuple):
    """Where something stands: its centre across, its top, its size; all in pixels."""

    x: float
    top: float
    width: float
    height: float


class Layout(NamedTuple):
    """A finished drawing.

    Attributes:
        width: Its width in pixels.
        height: Its height in pixels.
        states: Where each state stands.
        labels: Where the label of each arrow stands.
        paths: The points of each arrow, from its source to its target. Between the first and the
            second, the third and the fourth and so on it bends; in between it is straight down.
    """

    width: float
    height: float
    states: tuple[Place, ...]
    labels: tuple[Place, ...]
    paths: tuple[tuple[tuple[float, float], ...], ...]


class _Node:
    """What stands in a layer: a state, a label, or where an arrow passes (without a size)."""

    __slots__ = ("above", "below", "layer", "place", "size", "x")

    def __init__(self, layer: int, size: Size = (0.0, 0.0)) -> None:
        self.layer = layer
        self.size = size
        self.above: list[_Node] = []
        self.below: list[_Node] = []
        self.place = 0
        self.x = 0.0


@lru_cache(maxsize=64)  # a machine is drawn again whenever it moves
def lay_out(states: tuple[Size, ...], arrows: tuple[Arrow, ...]) -> Layout:
    """Lay out a machine.

    Args:
        states: The size of each state, the initial one first.
        arrows: What leads from one to another; none from a state to itself.
    """
    turned = _turned(len(states), arrows)
    ranks = _ranks(len(states), arrows, turned)
    nodes = [_Node(2 * rank, size) for rank, size in zip(ranks, states, strict=True)]
    chains, labels = [], []
    for number, arrow in enumerate(arrows):
        ends = [nodes[arrow.source], nodes[arrow.target]]
        if number in turned:
            ends.reverse()
        first, last = ends
        chain = [first, *(_Node(layer) for layer in range(first.layer + 1, last.layer)), last]
        label = chain[-2 if number in turned else 1]  # beside the state that it comes from
        label.size = arrow.label
        for one, other in pairwise(chain):
            one.below.append(other)
            other.above.append(one)
        labels.append(label)
        chains.append(chain)
    layers: list[list[_Node]] = [[] for _ in range(2 * max(ranks, default=0) + 1)]
    for node in dict.fromkeys([*nodes, *(node for chain in chains for node in chain)]):
        node.place = len(layers[node.layer])
        layers[node.layer].append(node)
    _sort(layers)
    _move(layers)
    tops, bottoms, height = _heights(layers)
    left = min((node.x - node.size[0] / 2 for layer in layers for node in layer), default=0.0)
    for layer in layers:
        for node in layer:
            node.x -= left
    width = max((node.x + node.size[0] / 2 for layer in layers for node in layer), default=0.0)

    def place(node: _Node) -> Place:
        middle = (tops[node.layer] + bottoms[node.layer] - node.size[1]) / 2
        return Place(node.x, middle, *node.size)

    paths = []
    for number, chain in enumerate(chains):
        top, bottom = place(chain[0]), place(chain[-1])
        points = [(_port(chain[0].below, chain[0], chain[1]), top.top + top.height)]
        for node in chain[1:-1]:
            points += [(node.x, tops[node.layer]), (node.x, bottoms[node.layer])]
        points.append((_port(chain[-1].above, chain[-1], chain[-2]), bottom.top))
        paths.append(tuple(reversed(points) if number in turned else points))
    return Layout(width, height, tuple(map(place, nodes)), tuple(map(place, labels)), tuple(paths))


def _turned(count: int, arrows: Sequence[Arrow]) -> set[int]:
    """The arrows that lead back to a state on the way to their own: without them is no cycle."""
    leaving: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, arrow in enumerate(arrows):
        leaving[arrow.source].append((number, arrow.target))
    turned: set[int] = set()
    done: set[int] = set()
    for root in range(count):
        if root in done:
            continue
        done.add(root)
        way = [(root, iter(leaving[root]))]
        while way:
            for number, target in way[-1][1]:
                if target not in done:
                    done.add(target)
                    way.append((target, iter(leaving[target])))
                    break
                if any(target == state for state, _ in way):
                    turned.add(number)
            else:
                way.pop()
    return turned


def _ranks(count: int, arrows: Sequence[Arrow], turned: set[int]) -> list[int]:
    """The longest path to each state."""
    ranks = [0] * count
    for _ in range(count):
        for number, arrow in enumerate(arrows):
            one, other = arrow.source, arrow.target
            if number in turned:
                one, other = other, one
            ranks[other] = max(ranks[other], ranks[one] + 1)
    return ranks


# Order.


def _sort(layers: list[list[_Node]]) -> None:
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for turn in range(_SORTINGS):
        if not fewest:
            break
        for layer in layers if turn % 2 == 0 else reversed(layers):
            layer.sort(key=lambda node: _mean(node, node.above if turn % 2 == 0 else node.below))
            _number(layer)
        for layer in layers:
            _swap(layer)
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best
    for layer in layers:
        _number(layer)


def _mean(node: _Node, neighbours: list[_Node]) -> float:
    """The mean place of a node's neighbours; its own, where it has none."""
    if not neighbours:
        return node.place
    return sum([one.place for one in neighbours]) / len(neighbours)


def _number(layer: list[_Node]) -> None:
    for place, node in enumerate(layer):
        node.place = place


def _swap(layer: list[_Node]) -> None:
    """Exchange neighbours wherever that takes crossings away."""
    for place in range(len(layer) - 1):
        one, other = layer[place], layer[place + 1]
        if _crossed(one, other) > _crossed(other, one):
            layer[place], layer[place + 1] = other, one
            one.place, other.place = other.place, one.place


def _crossed(one: _Node, other: _Node) -> int:
    """How many arrows of two nodes cross, if the one stands left of the other."""
    return sum(
        [
            mine.place > theirs.place
            for ours, others in ((one.above, other.above), (one.below, other.below))
            for mine in ours
            for theirs in others
        ]
    )


def _crossings(layers: list[list[_Node]]) -> int:
    return sum(
        _crossed(one, other)
        for layer in layers
        for place, one in enumerate(layer)
        for other in layer[place + 1 :]
    )


# Coordinates.


def _move(layers: list[list[_Node]]) -> None:
    for layer in layers:
        _fit(layer, [0.0] * len(layer))
    for turn in range(_MOVINGS):
        for layer in layers if turn % 2 == 0 else reversed(layers):
            _fit(layer, [_wanted(node) for node in layer])


def _wanted(node: _Node) -> float:
    """Where a node would be without others: amid its neighbours, nearer to those of a long arrow,
    so that it is straight.
    """
    total = weights = 0.0
    for one in (*node.above, *node.below):
        weight = _straightness(one) * _straightness(node)
        total += weight * one.x
        weights += weight
    return total / weights if weights else node.x


def _straightness(node: _Node) -> float:
    return 1.0 if node.size[0] else 6.0


def _fit(layer: list[_Node], wanted: list[float]) -> None:
    """Move the nodes of a layer as near to where they are wanted as their order and size allow."""
    # Without their widths and gaps, the places only have to be in order: isotonic regression, by
    # pooling adjacent violators.
    offset = 0.0
    offsets = []
    pools: list[tuple[float, float, int]] = []  # the mean, its weight, and of how many
    for place, node in enumerate(layer):
        if place:
            offset += (layer[place - 1].size[0] + node.size[0]) / 2 + _BESIDE
        offsets.append(offset)
        mean, weight, count = wanted[place] - offset, _straightness(node), 1
        while pools and pools[-1][0] > mean:
            earlier, heavy, many = pools.pop()
            mean = (earlier * heavy + mean * weight) / (heavy + weight)
            weight += heavy
            count += many
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    for node, mean, offset in zip(layer, means, offsets, strict=True):
        node.x = mean + offset


def _port(neighbours: list[_Node], node: _Node, neighbour: _Node) -> float:
    """Where at a state's border the arrow from or to a neighbour ends."""
    ends = sorted(neighbours, key=lambda one: one.place)
    apart = min(_PORT, (node.size[0] - 16) / len(ends))
    return node.x + (ends.index(neighbour) - (len(ends) - 1) / 2) * apart


def _heights(layers: list[list[_Node]]) -> tuple[list[float], list[float], float]:
    """The top and the bottom of each layer, and of all."""
    tops, bottoms = [], []
    y = 0.0
    for layer in layers:
        tall = max((node.size[1] for node in layer), default=0.0)
        tops.append(y)
        bottoms.append(y + tall)
        # The further arrows lead sideways, the more room they need to bend.
        bend = max((abs(node.x - one.x) for node in layer for one in node.below), default=0.0)
        y += tall + _BELOW + min(bend, 600.0) / 16
    return tops, bottoms, bottoms[-1] if bottoms else 0.0
