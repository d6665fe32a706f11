"""quix-streams: whether it runs without a broker service is asked of the installed library itself, each time.

Its sources, windows and state all pass through topics of a Kafka broker (sources only produce into one; state is
restored from changelog topics), and `Application` refuses to be built without a broker's address or a token of its
hosted one. It has no in-memory broker. No Kafka runs beside this benchmark, so quix is not measured.
"""

from importlib.metadata import version

from shared.errors import SelfmisError


def why_not() -> str:
    """Its own words on being started without a broker; an error if it does start, for then it must be measured."""
    from quixstreams import Application  # noqa: PLC0415 - optional, and slow to import

    try:
        Application(consumer_group="peer", loglevel=None)
    except ValueError as refusal:
        return f"quixstreams {version('quixstreams')} needs a Kafka broker service: {refusal}"
    raise SelfmisError("bench peers: quixstreams starts without a broker here: measure it, its excuse is gone")
