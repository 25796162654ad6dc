"""How far a negation reaches, and what it and words of strength make of a feeling. Pure.

The rules are in docs/reference/feelings.md; which words follow them is for the lexicon to say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.persona.feelings.lexicon import Role, Turn
from app.persona.feelings.values import Affect

_REACH = 4
"""So many words after a negation are still negated, fillers not counted."""

_MOST_STRENGTH = 2.0
_NEGATIONS = {Role.NEGATION, Role.NOR, Role.NEVER}
_STRENGTHS = {Role.STRENGTH, Role.COMPARISON}
_UNCOUNTED = {Role.FILLER, Role.SUBJECT, Role.AND, Role.END}


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A term of the lexicon, or a word that it does not have."""

    text: str
    feeling: Affect | None = None
    turn: Turn | None = None
    is_sign: bool = False
    shouted: bool = False

    @property
    def role(self) -> Role | None:
        """What it does to the feelings beside it."""
        return self.turn.role if self.turn is not None else None

    @property
    def factor(self) -> float:
        """What it multiplies a feeling with."""
        return self.turn.factor if self.turn is not None else 1.0

    @property
    def is_felt(self) -> bool:
        """Whether it is a word of feeling, no sign."""
        return self.feeling is not None and not self.is_sign


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """A negation as it stands at one word: `left` more are negated.

    With an `utter` one a comparison says the most there is: "never so happy". `counted` says that
    a word which counts stands after it, `felt` that a word of feeling does.
    """

    factor: float = 1.0
    left: int = 0
    utter: bool = False
    counted: bool = False
    felt: bool = False

    def on(self, strength: float, *, compared: bool) -> float:
        """Return what a feeling here is multiplied with."""
        if not self.left or (self.utter and compared):
            return strength
        # "not very happy" says less than "not happy"
        return self.factor / max(strength, 1.0)

    def after(self, unit: Unit, before: Unit | None, following: Unit | None) -> "_Scope":
        """Return the scope behind a word that stands between these two."""
        role = unit.role
        if role in _NEGATIONS:
            return self._negated(unit.factor, role)
        if role is Role.CONTRAST or self._ends_at(unit, before, following):
            return _NONE
        if role in {Role.EVER, Role.BECOMING}:
            return replace(self, utter=role is Role.EVER)
        if role in _UNCOUNTED or unit.is_sign:
            return self
        felt = self.felt or unit.is_felt
        return replace(self, left=max(self.left - 1, 0), counted=True, felt=felt)

    def _ends_at(self, unit: Unit, before: Unit | None, following: Unit | None) -> bool:
        """Say whether another clause or another predicate begins with this word."""
        if unit.role is Role.END:
            # "nothing that I love" and "not because I am sad" go on
            return before is None or before.role not in _NEGATIONS
        if unit.role is Role.AND:
            return not _are_one_list(before, following)
        return unit.role is Role.SUBJECT and self.counted

    def _negated(self, factor: float, role: Role | None) -> "_Scope":
        is_double = self.left and not self.felt and role is not Role.NOR
        return _Scope(
            factor=factor * (self.factor if is_double else 1.0),
            left=_REACH,
            utter=role is Role.NEVER,
        )


_NONE = _Scope()


def turned(units: Sequence[Unit]) -> Iterator[tuple[Unit, float]]:
    """Yield the feelings of a clause with what stands before them multiplies them with.

    Contrasts are yielded, too: what follows one weighs more.
    """
    scope, strength, compared = _NONE, 1.0, False
    for before, unit, following in zip([None, *units], units, [*units[1:], None], strict=False):
        if unit.role in _STRENGTHS and (unit.feeling is None or _is_terribly(unit, following)):
            strength = min(strength * unit.factor, _MOST_STRENGTH)
            compared = compared or unit.role is Role.COMPARISON
            continue
        if unit.role is Role.CONTRAST or unit.is_sign:
            yield unit, 1.0
        elif unit.feeling is not None:
            yield unit, scope.on(strength, compared=compared or _is_compared(unit, following))
        scope = scope.after(unit, before, following)
        strength, compared = 1.0, False


def _is_terribly(unit: Unit, following: Unit | None) -> bool:
    """Say whether a word of strength that also carries a feeling strengthens: "terribly sad"."""
    return unit.role is Role.STRENGTH and following is not None and following.feeling is not None


def _is_compared(unit: Unit, following: Unit | None) -> bool:
    """Say whether a feeling is compared by itself or by what follows: "happier", "laughed more"."""
    is_followed = following is not None and following.role is Role.COMPARISON
    return unit.role is Role.COMPARISON or is_followed


def _are_one_list(before: Unit | None, following: Unit | None) -> bool:
    """Say whether "and" joins two feelings of one kind: "not warm and friendly"."""
    if before is None or following is None:
        return False
    if before.feeling is None or following.feeling is None:
        return False
    return before.feeling.valence * following.feeling.valence > 0
