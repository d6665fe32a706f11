"""`selfmis model FOLDER`: what a model is, and whether it can be trusted on this machine."""

import json
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from shared.artefact import AlarmRules, load
from shared.artefact.card import flat
from shared.command import Parser, run


def main(argv: Sequence[str]) -> int:
    """Check a model folder (every hash, and its golden windows scored on this machine) and print its essentials.

    Exit code 2 and one line if the model is refused.
    """
    parser = Parser(prog="selfmis model", description=main.__doc__)
    parser.add_argument("folder", help="the model folder")
    parser.add_argument("--lead", choices=("I", "II"), help="refuse a model for another lead")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    arguments = parser.parse_args(argv)
    model = load(arguments.folder, expect_lead=arguments.lead)
    difference = model.check_golden(model.session())
    manifest = model.manifest
    if arguments.json:
        checked = {"sha256": manifest.sha256, "golden_difference": difference}
        print(json.dumps(manifest.model_dump(mode="json") | checked, indent=2))
        return 0
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title=f"{manifest.name} {manifest.version}")
    for name, value in (
        ("use", "research only, not a medical device"),
        ("reads", f"lead {manifest.lead}, {manifest.window_samples} samples at {manifest.rate_hz} Hz, mV"),
        ("gives", ", ".join(manifest.labels)),
        ("thresholds", ", ".join(f"{value:.3g}" for value in manifest.thresholds.values())),
        ("calibration", manifest.calibration.method),
        ("encoder", f"{manifest.encoder.family} {manifest.encoder.size or '(own size)'}"),
        ("pre-processing", f"version {manifest.preprocessing_version}"),
        *(() if manifest.alarm is None else (("alarm rules", _rules(manifest.alarm)),)),
        *((f"metric {name}", value) for name, value in flat(manifest.metrics)),
        ("trained on", manifest.trained_on),
        *(("data", f"{source.name}: {source.licence}") for source in manifest.data),
        ("created", f"{manifest.created:%Y-%m-%d %H:%M} UTC, code revision {manifest.revision}"),
        ("files", f"{len(manifest.files)} match their sha256; model {manifest.sha256[:12]}"),
        ("golden windows", f"score as where the model was exported, within {difference:.1g}"),
    ):
        table.add_row(name, value)
    Console(markup=False, highlight=False).print(table)
    return 0


def _rules(rules: AlarmRules) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in rules.model_dump().items())


if __name__ == "__main__":
    raise SystemExit(run(main))
