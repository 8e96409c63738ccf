"""From a graph's scores of words to their tags, as functions of ONNX that stand in the model's file.

A CRF's best chain is a loop over words that runs forwards, keeping where each label came from, and then backwards. It
is written as two Scans, so that one graph is right for every length: torch's exporter unrolls a loop at the traced
length. They are the same operations in the same order as in `LinearChainCRF.decode`.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# onnx is typed in part; its objects stop here.

from __future__ import annotations

from typing import Any

from ftcli.modeling.crf import LinearChainCRF
from ftcli.modeling.exporting.extra import onnx_module

DOMAIN = "ftcli"
OPSET = 20
SCORES = ("crf.starts", "crf.ends", "crf.steps")
"""The CRF's scores in the graph: [labels], [labels] and [labels, labels] (from, to). What is forbidden has -1e30."""

_BEST_TAGS = f"""
<domain: "{DOMAIN}", opset_import: ["": {OPSET}]>
BestTags (logits, positions) => (tags) {{
    zero = Constant <value_int = 0> ()
    best = ArgMax <axis = 2, keepdims = 0> (logits)
    is_word = GreaterOrEqual (positions, zero)
    tags = Where (is_word, best, zero)
}}
"""

_VITERBI = f"""
<domain: "{DOMAIN}", opset_import: ["": {OPSET}]>
Viterbi (logits, positions, starts, ends, steps) => (tags) {{
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    middle = Constant <value_ints = [1]> ()
    last = Constant <value_ints = [-1]> ()
    shape = Shape (logits)
    rows, words, labels = Split <num_outputs = 3> (shape)
    across = Concat <axis = 0> (rows, labels)
    num_words = Squeeze (words)
    num_labels = Squeeze (labels)
    numbers = Range (zero, num_labels, one)
    stay = Expand (numbers, across)
    nothing = ConstantOfShape (across)
    places = Range (zero, num_words, one)
    is_word = GreaterOrEqual (positions, zero)
    is_word_by_place = Transpose <perm = [1, 0]> (is_word)
    inside = Unsqueeze (is_word_by_place, last)
    emissions = Transpose <perm = [1, 0, 2]> (logits)
    score, origins = Scan <
        num_scan_inputs = 3,
        body = forwards (float[R, L] before, float[R, L] emission, bool[R, 1] is_inside, int64 place)
            => (float[R, L] after, int64[R, L] origin) {{
            left = Unsqueeze (before, last)
            ways = Add (left, steps)
            best = ReduceMax <keepdims = 0> (ways, middle)
            best_origin = ArgMax <axis = 1, keepdims = 0> (ways)
            is_first = Equal (place, zero)
            arrived = Where (is_first, starts, best)
            reached = Add (arrived, emission)
            after = Where (is_inside, reached, before)
            origin = Where (is_inside, best_origin, stay)
        }}
    > (nothing, emissions, inside, places)
    ended = Add (score, ends)
    final = ArgMax <axis = 1, keepdims = 1> (ended)
    before_first, path = Scan <
        num_scan_inputs = 1,
        scan_input_directions = [1],
        scan_output_directions = [1],
        body = backwards (int64[R, 1] tag, int64[R, L] origin_here) => (int64[R, 1] tag_before, int64[R, 1] tag_here) {{
            tag_before = GatherElements <axis = 1> (origin_here, tag)
            tag_here = Identity (tag)
        }}
    > (final, origins)
    by_place = Squeeze (path, last)
    by_row = Transpose <perm = [1, 0]> (by_place)
    tags = Where (is_word, by_row, zero)
}}
"""


def add_decoder(model: Any, crf: LinearChainCRF | None) -> None:
    """Give an ONNX model of `logits` and `positions` the output `tags`, int64 [rows, words], 0 where there is no word.

    Args:
        model: The model, which is changed.
        crf: What says which chain of tags is best; without it each word gets its best tag.
    """
    onnx = onnx_module("onnx")
    function = onnx.parser.parse_function(_BEST_TAGS if crf is None else _VITERBI)
    names: tuple[str, ...] = () if crf is None else SCORES
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    graph = model.graph
    if crf is not None:
        for name, scores in zip(names, crf.allowed_scores(), strict=True):
            graph.initializer.append(onnx.numpy_helper.from_array(scores.numpy(), name))
    inputs = ["logits", "positions", *names]
    graph.node.append(onnx.helper.make_node(function.name, inputs, ["tags"], name="decode", domain=DOMAIN))
    graph.output.append(onnx.helper.make_tensor_value_info("tags", onnx.TensorProto.INT64, ["rows", "words"]))


def decoder_alone(model: Any) -> Any:
    """The decoder of a model as a model of its own, from `logits` [rows, words, labels] and `positions` to `tags`.

    Sentences that are read in several windows are put together before their tags are looked for.
    """
    onnx = onnx_module("onnx")
    graph, types = model.graph, onnx.TensorProto
    inputs = [
        onnx.helper.make_tensor_value_info("logits", types.FLOAT, ["rows", "words", "labels"]),
        onnx.helper.make_tensor_value_info("positions", types.INT64, ["rows", "words"]),
    ]
    scores = [each for each in graph.initializer if each.name in SCORES]
    nodes = [node for node in graph.node if node.domain == DOMAIN]
    tags = [output for output in graph.output if output.name == "tags"]
    alone = onnx.helper.make_graph(nodes, "decoder", inputs, tags, scores)
    return onnx.helper.make_model(
        alone, functions=model.functions, opset_imports=model.opset_import, ir_version=model.ir_version
    )
