"""A model.onnx with 8-bit weights, whose products onnxruntime takes in integers.

Weights are rounded for each output by itself, rows of an embedding each for itself. What flows into a product is
rounded batch by batch as it comes, so no rows are needed to prepare it. A product has one scale for all that flows into
it, and a few tokens whose values are many times those of the others would leave them with few of the 256 steps; so
each token is brought to a largest value of 1 before, and its results are multiplied back. That takes 8 bits as far as
they go. With 16 bits, a second product takes what the first one's rounding left over.

Only operations of the standard are written: onnxruntime makes fast ones of them.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# onnx is typed in part; its objects stop here.

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from ftcli.modeling.exporting.extra import onnx_module

ActivationBits = Literal[8, 16]
ACTIVATION_BITS: tuple[ActivationBits, ...] = (8, 16)
Array = NDArray[Any]
_TOP = 127
_SMALLEST = 1e-20
"""Of a token's largest value: one that is all zeros is divided by this."""


def quantise(model: Any, bits: ActivationBits) -> None:
    """Make 8-bit integers of the weights of matrix products and embeddings of an ONNX model, which is changed.

    Args:
        model: The model, with its weights.
        bits: How finely what flows into a product is rounded; 16 take twice the products of 8.
    """
    graph = model.graph
    rewriting = _Rewriting({each.name: each for each in graph.initializer}, bits)
    for node in graph.node:
        rewriting.take(node)
    del graph.node[:]
    graph.node.extend(rewriting.nodes)
    used = {name for node in rewriting.nodes for name in node.input}
    kept = [each for each in rewriting.held.values() if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


@dataclass(slots=True)
class _Rewriting:
    """The nodes written so far, and the constants by name, `held`, that they read."""

    held: dict[str, Any]
    bits: ActivationBits
    nodes: list[Any] = field(default_factory=list[Any])
    _made: set[str] = field(default_factory=set[str])

    def take(self, node: Any) -> None:
        """Write what stands for a node: itself, where it is no product by weights and no embedding."""
        if node.op_type == "Gather" and self._is_matrix(node.input[0]):
            self._embedding(node)
        elif _is_plain_product(node) and self._is_matrix(node.input[1]):
            self._product(node)
        else:
            self.nodes.append(node)

    def _is_matrix(self, name: str) -> bool:
        held = self.held.get(name)
        return held is not None and len(held.dims) == 2 and held.data_type == onnx_module("onnx").TensorProto.FLOAT

    def _embedding(self, node: Any) -> None:
        (table, ids), (out,) = node.input, node.output
        weights, scales = self._rounded(table, axis=1)
        looked_up = self._add("Gather", [weights, ids], f"{out}.int8")
        scale = self._add("Gather", [scales, ids], f"{out}.scale")
        self._add("Mul", [self._as_float(looked_up), scale], out)

    def _product(self, node: Any) -> None:
        """Any bias is added last."""
        (entering, weights, *bias), (out,) = node.input, node.output
        rounded = self._rounded(weights, axis=0, transposed=any(each.name == "transB" for each in node.attribute))
        result = f"{out}.product" if bias else out
        if self.bits == 16:
            rest = self._rest(entering)
            parts = [self._integer_product(each, *rounded, f"{out}.{each}") for each in (entering, rest)]
            self._add("Add", parts, result)
        else:
            unit, largest = self._by_token(entering)
            self._add("Mul", [self._integer_product(unit, *rounded, f"{out}.unit"), largest], result)
        if bias:
            self._add("Add", [result, *bias], out)

    def _integer_product(self, entering: str, weights: str, scales: str, out: str) -> str:
        """A product by the weights of what is rounded to 8 bits, [..., inputs] to [..., outputs]."""
        integers, scale, zero = self._entering(entering)
        summed = self._add("MatMulInteger", [integers, weights, zero], f"{out}.int32")
        both = self._add("Mul", [scale, scales], f"{out}.scale")
        return self._add("Mul", [self._as_float(summed), both], out)

    def _entering(self, name: str) -> list[str]:
        """What enters a product, in 8 bits, with its scale and zero; several products may read it."""
        parts = [f"{name}.{part}" for part in ("uint8", "scale", "zero")]
        self._once("DynamicQuantizeLinear", [name], parts)
        return parts

    def _rest(self, name: str) -> str:
        """What rounding to 8 bits leaves over."""
        near = self._once("DequantizeLinear", self._entering(name), [f"{name}.near"])
        return self._once("Sub", [name, near], [f"{name}.rest"])

    def _by_token(self, name: str) -> tuple[str, str]:
        """Each token's values divided by the largest of them, and that, [..., 1]."""
        last, smallest = self._constant("int8.last", np.array([-1])), np.array(_SMALLEST, dtype=np.float32)
        size = self._once("Abs", [name], [f"{name}.size"])
        top = self._once("ReduceMax", [size, last], [f"{name}.top"])
        largest = self._once("Max", [top, self._constant("int8.smallest", smallest)], [f"{name}.largest"])
        return self._once("Div", [name, largest], [f"{name}.unit"]), largest

    def _rounded(self, name: str, *, axis: int, transposed: bool = False) -> tuple[str, str]:
        """The names of int8 weights and of their scales along the other axis than `axis`."""
        values = cast("Array", onnx_module("onnx").numpy_helper.to_array(self.held[name]))
        values, name = (values.T, f"{name}.T") if transposed else (values, name)
        scales = np.abs(values).max(axis, keepdims=True) / _TOP
        scales[scales == 0] = 1
        integers = self._constant(f"{name}.int8", np.rint(values / scales).astype(np.int8))
        return integers, self._constant(f"{name}.scales", scales.squeeze(0) if axis == 0 else scales)

    def _constant(self, name: str, values: Array) -> str:
        if name not in self.held:
            self.held[name] = onnx_module("onnx").numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def _as_float(self, name: str) -> str:
        return self._add("Cast", [name], f"{name}.float", to=onnx_module("onnx").TensorProto.FLOAT)

    def _once(self, kind: str, inputs: list[str], outputs: list[str]) -> str:
        if outputs[0] not in self._made:
            self._made.add(outputs[0])
            self.nodes.append(onnx_module("onnx").helper.make_node(kind, inputs, outputs, name=outputs[0]))
        return outputs[0]

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(onnx_module("onnx").helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output


def _is_plain_product(node: Any) -> bool:
    """Whether a node is x @ w, or x @ w.T + b."""
    if node.op_type == "MatMul":
        return True
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}
    given = {each.name: each.f if each.name in {"alpha", "beta"} else each.i for each in node.attribute}
    return node.op_type == "Gemm" and plain | given == plain and given.get("transB") == 1
