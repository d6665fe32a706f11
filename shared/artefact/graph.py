"""The graph of an artefact: a network becomes ONNX bytes. Needs torch and onnxscript."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch

from shared.artefact.session import INPUT, OUTPUT, SHOWN
from shared.network import Scorer, folded
from shared.signal import WINDOW_SAMPLES

OPSET = 18


def export_graph(scorer: Scorer) -> bytes:
    """``scorer`` as a self-contained ONNX graph with a free batch size; the same network gives the same bytes.

    It is `folded` where that can be, and then names what the learnt part is shown `SHOWN`, for engines.
    Switches to `eval` mode while it exports and back afterwards. Costs a few seconds. Nothing of the machine
    that exported (paths, stack traces) stays in the graph.
    """
    was_training = scorer.training
    scorer.eval()
    lean = folded(scorer)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                lean or scorer,
                (torch.zeros(2, WINDOW_SAMPLES),),
                input_names=[INPUT],
                output_names=[OUTPUT, SHOWN] if lean else [OUTPUT],
                dynamic_shapes={INPUT: {0: torch.export.Dim("n", min=1)}},
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        scorer.train(was_training)
    assert program is not None  # noqa: S101 - dynamo=True always gives one
    return _clean(program.model_proto)


def _clean(model: onnx.ModelProto) -> bytes:
    # The exporter leaves the stack trace of every node in the graph, paths of the exporting machine included.
    for entity in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        entity.ClearField("doc_string")
        entity.ClearField("metadata_props")
    for end in (*model.graph.input, *model.graph.output):
        end.ClearField("doc_string")
        end.ClearField("metadata_props")
    del model.graph.value_info[:]
    del model.graph.output[1:]  # the name stays
    onnx.checker.check_model(model, full_check=True)
    graph: bytes = model.SerializeToString(deterministic=True)
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter: it warns about its own future and logs optional packages it lacks."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
