"""The one base of every error we raise on purpose; the command line turns it into one line."""

LONGEST = 300
_SHORTEST_WORD = 24


class SelfmisError(Exception):
    """Something a person can mend. Its text is one line: who, what, what to do.

    What a file or a stranger said may stand in it, so the text is made one line here, whatever that holds
    (`one_line`); the words as they were given are in ``args``. ``longest`` is for kinds whose text holds a command
    to be copied, which must stay whole.
    """

    longest = LONGEST

    def __str__(self) -> str:
        return one_line(super().__str__(), self.longest)


def one_line(text: str, most: int = LONGEST) -> str:
    """The text on one line of at most ``most`` characters that every terminal shows.

    Line breaks and other blanks become one blank each, what cannot be shown is escaped, and where it is too long
    the longest words (values, paths) lose their middle first.

    >>> one_line("lead 'x\\n\\x1b' is none")
    "lead 'x \\\\x1b' is none"
    """
    if len(text) <= most and text.isprintable() and "  " not in text and text[:1] != " " and text[-1:] != " ":
        return text
    words = text[: 50 * most].split()
    while True:
        words = ["".join(c if c.isprintable() else ascii(c)[1:-1] for c in word) for word in words]
        line = " ".join(words)
        if len(line) <= most:
            return line
        longest = max(range(len(words)), key=lambda k: len(words[k]))
        if len(words[longest]) <= _SHORTEST_WORD:
            return _without_middle(line, most)
        keep = max(_SHORTEST_WORD, len(words[longest]) - (len(line) - most))
        words[longest] = _without_middle(words[longest], keep)


def _without_middle(text: str, most: int) -> str:
    half = (most - 1) // 2
    return f"{text[:half]}…{text[len(text) - (most - 1 - half) :]}"
