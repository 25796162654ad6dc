"""How many tokens a text may cost, without asking the model. Pure.

Four ASCII characters are about one token. Other scripts cost more, so two bytes of theirs count as
one: rather too much than a prompt that does not fit.
"""


def estimate(text: str) -> int:
    """Return a number of tokens that the text will hardly exceed."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    other = len(text.encode("utf-8", "replace")) - plain
    return -(-plain // 4) + -(-other // 2)


def head(text: str, tokens: int) -> str:
    """Return as much of the beginning as these tokens hold."""
    return text[: _length(text, tokens)]


def tail(text: str, tokens: int) -> str:
    """Return as much of the end as these tokens hold, from the beginning of a line if possible."""
    backwards = text[::-1]
    kept = backwards[: _length(backwards, tokens)][::-1]
    if len(kept) == len(text):
        return text
    _, newline, rest = kept.partition("\n")
    return rest if newline and rest.strip() else kept


def _length(text: str, tokens: int) -> int:
    least, most = 0, min(len(text), max(tokens, 0) * 4)
    while least < most:
        middle = (least + most + 1) // 2
        if estimate(text[:middle]) <= tokens:
            least = middle
        else:
            most = middle - 1
    return least
