"""The neighbours of a stream entry id: ``XREAD`` reads what comes *after* an id, a rewind *is* one."""

from shared.position import parse_id

_LAST = 2**64 - 1


def before(entry_id: str) -> str:
    """The largest id that is smaller; the start has none and stays.

    >>> before("5-3"), before("5-0"), before("0-0")
    ('5-2', '4-18446744073709551615', '0-0')
    """
    milliseconds, sequence = parse_id(entry_id)
    if sequence:
        return f"{milliseconds}-{sequence - 1}"
    return f"{milliseconds - 1}-{_LAST}" if milliseconds else entry_id


def after(entry_id: str) -> str:
    """The smallest id that is larger.

    >>> after("5-3"), after("4-18446744073709551615")
    ('5-4', '5-0')
    """
    milliseconds, sequence = parse_id(entry_id)
    return f"{milliseconds + 1}-0" if sequence == _LAST else f"{milliseconds}-{sequence + 1}"
