"""Pillow's antialiased resizing as ONNX operators, to the last bit.

ONNX's own Resize rounds another pixel in some thousands, which moves logits by up to 0.003. Pillow
(`libImaging/Resample.c`) computes with weights of 22 bits and whole numbers. Float64 holds all of
its sums exactly, so that their order does not matter: two matrix products give Pillow's pixels.
"""

from __future__ import annotations

from typing import Any, Final

_BITS: Final = 2.0**22
_SUPPORT: Final = {"bicubic": 2.0, "bilinear": 1.0}


class Graph:
    """Collects the nodes of a graph; each method call returns the name of the result."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[Any] = []
        self._prefix = prefix

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node."""
        from onnx import helper

        result = f"{self._prefix}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def number(self, value: float) -> str:
        """Adds a float64 number."""
        return self._constant(value, "DOUBLE", [])

    def sizes(self, *values: int) -> str:
        """Adds int64 numbers."""
        return self._constant(values, "INT64", [len(values)])

    def _constant(self, value: Any, kind: str, shape: list[int]) -> str:  # noqa: ANN401
        from onnx import TensorProto, helper

        flat = list(value) if shape else [value]
        tensor = helper.make_tensor("value", getattr(TensorProto, kind), shape, flat)
        return self.add("Constant", value=tensor)


def resized(levels: str, size: int, interpolation: str, result: str) -> list[Any]:
    """Returns nodes that resize images, unless they have the size already.

    Args:
        levels: The name of float32 images (N, 3, H, W), whole levels 0-255.
        size: The wanted side.
        interpolation: "bicubic" or "bilinear".
        result: The name of the result, float32 (N, 3, size, size), whole levels.
    """
    from onnx import TensorProto, helper

    outer, inner, same = Graph("sides"), Graph("resize"), Graph("same")
    sides = outer.add("Shape", levels, start=2, end=4)
    wanted = outer.sizes(size, size)
    equal = outer.add("Cast", outer.add("Equal", sides, wanted), to=TensorProto.INT64)
    fits = outer.add("Cast", outer.add("ReduceMin", equal, keepdims=0), to=TensorProto.BOOL)

    exact = inner.add("Cast", levels, to=TensorProto.DOUBLE)
    across = _weights(inner, exact, 3, size, interpolation)
    exact = _whole(inner, inner.add("MatMul", exact, inner.add("Transpose", across, perm=[1, 0])))
    down = _weights(inner, exact, 2, size, interpolation)
    exact = _whole(inner, inner.add("MatMul", down, exact))
    changed = inner.add("Cast", exact, to=TensorProto.FLOAT)
    kept = same.add("Identity", levels)

    def branch(graph: Graph, name: str) -> Any:  # noqa: ANN401  onnx's own type
        shape: list[str | int | None] = ["n", 3, size, size]
        info = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        return helper.make_graph(graph.nodes, name, [], [info])

    choice = helper.make_node(
        "If", [fits], [result], then_branch=branch(same, kept), else_branch=branch(inner, changed)
    )
    return [*outer.nodes, choice]


def _weights(graph: Graph, images: str, axis: int, size: int, interpolation: str) -> str:
    """Adds Pillow's weights for one axis, float64 (size, length): whole numbers of 22 bits."""
    from onnx import TensorProto

    add, number = graph.add, graph.number

    def steps(count: str) -> str:
        """Returns 0, 1, 2 ... as float64."""
        zero, one = (graph._constant(value, "INT64", []) for value in (0, 1))
        return add("Cast", add("Range", zero, count, one), to=TensorProto.DOUBLE)

    length = add("Squeeze", add("Shape", images, start=axis, end=axis + 1), graph.sizes(0))
    scale = add("Div", add("Cast", length, to=TensorProto.DOUBLE), number(size))
    stretch = add("Max", scale, number(1.0))
    reach = add("Mul", number(_SUPPORT[interpolation]), stretch)
    targets = steps(graph._constant(size, "INT64", []))
    centre = add("Unsqueeze", add("Mul", add("Add", targets, number(0.5)), scale), graph.sizes(1))
    pixels = add("Unsqueeze", steps(length), graph.sizes(0))
    first = add("Floor", add("Add", add("Sub", centre, reach), number(0.5)))
    last = add("Floor", add("Add", add("Add", centre, reach), number(0.5)))
    inside = add("And", add("GreaterOrEqual", pixels, first), add("Less", pixels, last))
    offset = add("Add", add("Sub", pixels, centre), number(0.5))
    far = add("Abs", add("Mul", offset, add("Div", number(1.0), stretch)))
    raw = _bicubic(graph, far) if interpolation == "bicubic" else _bilinear(graph, far)
    raw = add("Where", inside, raw, number(0.0))
    share = add("Div", raw, add("ReduceSum", raw, graph.sizes(1), keepdims=1))
    # Rounded half away from zero, as C's cast after adding or taking off a half.
    whole = add("Floor", add("Add", add("Mul", add("Abs", share), number(_BITS)), number(0.5)))
    return add("Mul", whole, add("Sign", share))


def _bicubic(graph: Graph, x: str) -> str:
    add, number = graph.add, graph.number
    near = add("Sub", add("Mul", number(1.5), x), number(2.5))
    near = add("Add", add("Mul", add("Mul", near, x), x), number(1.0))
    far = add("Add", add("Mul", add("Sub", x, number(5.0)), x), number(8.0))
    far = add("Mul", add("Sub", add("Mul", far, x), number(4.0)), number(-0.5))
    outside = add("Where", add("Less", x, number(2.0)), far, number(0.0))
    return add("Where", add("Less", x, number(1.0)), near, outside)


def _bilinear(graph: Graph, x: str) -> str:
    return graph.add("Max", graph.add("Sub", graph.number(1.0), x), graph.number(0.0))


def _whole(graph: Graph, sums: str) -> str:
    """Rounds sums of 22 more bits to whole levels, half up."""
    add, number = graph.add, graph.number
    rounded = add("Floor", add("Div", add("Add", sums, number(_BITS / 2)), number(_BITS)))
    return add("Min", add("Max", rounded, number(0.0)), number(255.0))
