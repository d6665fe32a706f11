"""A way of training as it is typed: ``METHOD[:KEY=VALUE,…][@TEACHER[:KEY=VALUE,…]]``.

A key is an option of the method or one of `PLAN_KEYS`, so two arms may differ in anything: ``selfmis`` and
``selfmis:projection=mlp``, ``selfmis@cmsc:epochs=5``, ``supervised:encoder=mid``.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from shared.errors import SelfmisError
from training.pretrain.plan import Plan

if TYPE_CHECKING:
    from training.methods import Needs

_OF_THE_GRID = frozenset({
    "method", "store", "options", "lead", "teacher", "folds", "validate", "sources", "labels", "seed",
    "checkpoint_every",
})  # fmt: skip
PLAN_KEYS = tuple(field.name for field in dataclasses.fields(Plan) if field.name not in _OF_THE_GRID)
"""What an arm may change of its training."""


class CompareError(SelfmisError):
    """A comparison cannot be done as asked."""


@dataclass(frozen=True)
class Arm:
    """A method with its options, what it changes of the plan, and the teacher it wants instead of the grid's."""

    method: str
    options: tuple[str, ...] = ()
    changes: tuple[tuple[str, Any], ...] = ()
    teacher: "Arm | None" = None
    common: tuple[str, ...] = ()
    """Options that are said for all arms at once, and so stand before the table and not in it."""

    @property
    def title(self) -> str:
        """As typed, each key in its place; what is common to all is left out."""
        pairs = ",".join([*self.options, *(f"{key}={value}" for key, value in self.changes)])
        own = f"{self.method}:{pairs}" if pairs else self.method
        return f"{own}@{self.teacher.title}" if self.teacher else own

    @property
    def needs(self) -> "Needs":
        """What its method needs; options may add to it."""
        from training.methods import find  # noqa: PLC0415 - slow to import

        method = find(self.method)
        needs: Needs = method.options.parse(self.all_options).needs(method.needs)
        return needs

    @property
    def all_options(self) -> tuple[str, ...]:
        """Its own and the common ones."""
        return *self.common, *self.options

    @property
    def all_leads(self) -> bool:
        """Whether the encoder that it ends with reads twelve leads, and not one of them."""
        return self.needs.all_leads and not self.needs.one_of_twelve


def parse_arm(text: str, common: Sequence[str] = ()) -> Arm:
    """An arm as typed. Refuses an unknown method or key, and a value of the wrong kind, in one line.

    Of ``common`` (``KEY=VALUE`` each) it and its teacher take the options that their methods have and that are not
    typed; keys of `PLAN_KEYS` are not for here.

    >>> parse_arm("selfmis:projection=mlp,epochs=5@cmsc").title
    'selfmis:projection=mlp,epochs=5@cmsc'
    """
    from training.methods import find  # noqa: PLC0415 - slow to import

    own, at, teacher = text.partition("@")
    name, _, pairs = own.partition(":")
    method = find(name.strip())
    known = {field.name for field in dataclasses.fields(method.options)}
    options: list[str] = []
    changes: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in pairs.split(","))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise CompareError(f"{text!r:.60}: write options as KEY=VALUE, not {pair!r:.40}")
        if key in known:
            options.append(pair)
        elif key in PLAN_KEYS:
            changes[key] = plan_value(key, value)
        else:
            listed = ", ".join([*sorted(known), *PLAN_KEYS])
            raise CompareError(f"{text!r:.60}: {method.name} has no option {key!r:.40}; it takes {listed}")
    method.options.parse(options)
    typed = {pair.partition("=")[0] for pair in options}
    shared = tuple(pair for pair in common if (key := pair.partition("=")[0]) in known and key not in typed)
    if at and not Arm(method.name, tuple(options)).needs.teacher:
        raise CompareError(f"{text!r:.60}: the method {method.name} has no use for a teacher")
    taught_by = parse_arm(teacher, common) if at else None
    return Arm(method.name, tuple(options), tuple(changes.items()), taught_by, shared)


def parse_common(text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """``KEY=VALUE,…`` for all arms: what of it changes plans, and what are options of methods that have them.

    Refuses a key that no plan and no method has.
    """
    from training.methods import methods  # noqa: PLC0415 - slow to import

    changes: dict[str, Any] = {}
    options: list[str] = []
    known = {field.name for method in methods() for field in dataclasses.fields(method.options)}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = pair.partition("=")
        if not equals:
            raise CompareError(f"--common: write options as KEY=VALUE, not {pair!r:.40}")
        if key in PLAN_KEYS:
            changes[key] = plan_value(key, value)
        elif key in known:
            options.append(pair)
        else:
            raise CompareError(f"--common: nothing that is trained has an option {key!r:.40}")
    return changes, tuple(options)


def plan_value(key: str, text: str) -> Any:
    """A value of one of `PLAN_KEYS` as typed, in the kind that a plan wants."""
    kind = get_type_hints(Plan)[key]
    if isinstance(kind, UnionType):
        kind = next(one for one in get_args(kind) if one is not type(None))
    try:
        return kind(text)
    except ValueError:
        raise CompareError(f"{key} must be a number, not {text!r:.40}") from None


def options_of(arm: Arm) -> Mapping[str, Any]:
    """All options of its method, those not typed at their defaults."""
    from training.methods import find, plain  # noqa: PLC0415 - slow to import

    return plain(find(arm.method).options.parse(arm.all_options))
