"""`selfmis methods`: the ways of training an encoder, what each needs, and its options with their defaults."""

import json
from collections.abc import Sequence

from shared.command import DONE, Parser, run


def main(argv: Sequence[str]) -> int:
    """List the methods of `selfmis pretrain`, or say all that there is to know of one."""
    parser = Parser(prog="selfmis methods", description=main.__doc__)
    parser.add_argument("name", nargs="?", help="of one method: its options, too")
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    chosen = parser.parse_args(argv)
    from training.methods import describe, find  # noqa: PLC0415 - slow to import

    told = [find(chosen.name).describe()] if chosen.name else list(describe())
    if chosen.json:
        print(json.dumps(told, indent=2))
        return DONE
    for method in told:
        wants = ", ".join(what for what in ("labels", "teacher") if method[what])
        print(f"{method['name']:<13} {method['summary']}" + (f" (needs {wants})" if wants else ""))
        if chosen.name:
            paper = [f"  {method['paper']}"] if method["paper"] else []
            print("\n".join([*paper, *(f"  --with {name}={value}" for name, value in method["options"].items())]))
    return DONE


if __name__ == "__main__":
    raise SystemExit(run(main))
