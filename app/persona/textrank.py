"""TextRank: which sentences say most of what a text says, by the words they share. Pure.

Sentences are the nodes of a graph; an edge weighs what two of them share, by the size of both. The
rank of a sentence is where a walk along the edges would be most often.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from math import log

from app.persona.themes import LONGEST_QUOTE, Quote, Source, keywords, passages

MOST_SENTENCES = 300
_LEAST_WORDS = 3
_DAMPING = 0.85
_STEPS = 30
_ALIKE = 0.5


def key_sentences(
    sources: Sequence[Source],
    most: int,
    may_quote: Callable[[str], bool] = lambda _: True,
    among: Sequence[Source] = (),
) -> list[Quote]:
    """Return the sentences of highest rank, no two of them alike, in the order of the sources.

    Looked at are the last 300 sentences that have three words to say something, and up to 200
    characters, so that they can be quoted whole. What is in many texts `among` all counts less.
    """
    nodes = list(_nodes(sources))[-MOST_SENTENCES:]
    ranks = rank([words for _, words in nodes], weights_among([*(among or sources)]))
    best = sorted(range(len(nodes)), key=lambda number: (-ranks[number], number))
    taken: list[int] = []
    for number in best:
        quote, words = nodes[number]
        if any(share(words, nodes[other][1]) >= _ALIKE for other in taken):
            continue
        if may_quote(quote.sentence):
            taken.append(number)
        if len(taken) == most:
            break
    return [nodes[number][0] for number in sorted(taken)]


def weights_among(sources: Sequence[Source]) -> dict[str, float]:
    """Return how much each word says: the more, the fewer texts hold it."""
    times = Counter(word for source in sources for word in keywords(source.text))
    return {word: log(1 + len(sources) / held) for word, held in times.items()}


def rank(nodes: Sequence[set[str]], weights: Mapping[str, float]) -> list[float]:
    """Return the rank of each set of words among the others; all of them together are 1."""
    if not nodes:
        return []
    edges: dict[int, dict[int, float]] = defaultdict(dict)
    for one, other in combinations(range(len(nodes)), 2):
        shared = sum(weights.get(word, 1.0) for word in sorted(nodes[one] & nodes[other]))
        if shared:
            weight = shared / (log(1 + len(nodes[one])) + log(1 + len(nodes[other])))
            edges[one][other] = edges[other][one] = weight
    out = [sum(edges[number].values()) for number in range(len(nodes))]
    ranks = [1 / len(nodes)] * len(nodes)
    for _ in range(_STEPS):
        lost = sum(value for value, leaving in zip(ranks, out, strict=True) if not leaving)
        ranks = [
            (1 - _DAMPING + _DAMPING * lost) / len(nodes)
            + _DAMPING * sum(ranks[n] * weight / out[n] for n, weight in edges[number].items())
            for number in range(len(nodes))
        ]
    return ranks


def share(one: set[str], other: set[str]) -> float:
    """Return how much two sets have in common, 0 to 1 (Jaccard's index)."""
    return len(one & other) / len(one | other) if one or other else 0.0


def _nodes(sources: Sequence[Source]) -> Iterator[tuple[Quote, set[str]]]:
    for source in sources:
        for sentence in passages(source):
            words = keywords(sentence)
            if len(words) >= _LEAST_WORDS and len(sentence) <= LONGEST_QUOTE:
                yield Quote(source=source, sentence=sentence), words
