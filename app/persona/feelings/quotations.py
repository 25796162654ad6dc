"""What a text says in its own words: words of others, and of the past, are not how it feels. Pure.

Linear in the text.
"""

import re

_PARAGRAPHS = re.compile(r"(\n[ \t]{0,40}\n)")
_BLOCK = re.compile(
    r"^[ \t]{0,20}(?:(?:[-*+]|\d{1,3}[.)])[ \t]{1,8})?>.*$",
    re.MULTILINE,
)
_QUOTED = re.compile(
    r"“[^“”]*”"
    r"|„[^„“”]*[“”]"
    r"|«[^«»]*»"
    r"|»[^«»]*«"
    r'|(?<!\w)"[^"]*"(?!\w)'
)
_NOTHING = '""'
_LETTER = re.compile(r"[^\W\d_]")


def without_quotations(text: str) -> str:
    """Return the text without what stands in quotation marks or in a blockquote of Markdown.

    A quotation ends within its paragraph; where it does not, it is none. A text that is nothing
    but quotations is returned as it is: then they are what it says.
    """
    own = "".join(
        _QUOTED.sub(_NOTHING, _BLOCK.sub(_NOTHING, part)) for part in _PARAGRAPHS.split(text)
    )
    return own if _LETTER.search(own) else text
