"""`python -m deploy.grafana`: write Grafana's boards anew."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.grafana import model, pipeline, runbook, training, ward
from deploy.grafana.panels import Board
from shared.command import DONE, Parser, run
from shared.errors import SelfmisError

FOLDER = Path(__file__).resolve().parent / "dashboards"


def boards(document: str) -> tuple[Board, ...]:
    """All of them; ``document`` is docs/operations.md."""
    return (ward.BOARD, pipeline.BOARD, model.BOARD, training.BOARD, runbook.board(document))


def files(document: str) -> Mapping[Path, str]:
    """What is to stand in which file."""
    try:
        from deploy.grafana.rendering import rendered  # noqa: PLC0415 - needs what only developers have
    except ModuleNotFoundError as error:
        raise SelfmisError(f"{error.name} is not installed: pip install 'selfmis-monitor[dev]'") from None
    ids = runbook.panel_ids(document)
    return {FOLDER / board.file: rendered(board, ids) for board in boards(document)}


def main(argv: Sequence[str]) -> int:
    """Write deploy/grafana/dashboards anew."""
    Parser(prog="python -m deploy.grafana", description=main.__doc__).parse_args(argv)
    made = files(runbook.DOC.read_text(encoding="utf-8"))
    FOLDER.mkdir(exist_ok=True)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(FOLDER.parents[2]))
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
