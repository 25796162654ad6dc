"""What sentences read as, and that any text is read in bounds and in time."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import settings as tried_with
from hypothesis import strategies as st

from app.persona.feelings.affect import MOST_WORDS_SHOWN, Reading, read_affect
from app.persona.feelings.lexicon import english
from app.persona.feelings.values import (
    NEUTRAL,
    Affect,
    blend,
    clamped,
    distance,
)

PLEASANT = """
I am happy.
What a lovely morning in the garden!
I love how the tomatoes taste.
We laughed together all evening.
I feel safe here.
I am proud of what we built.
It went well, and I am relieved.
Thank you, that was very kind.
I’m curious about the birds.
I can't wait to see it!
I am not sad any more.
I don’t feel afraid.
She is no longer worried.
There is nothing to fear.
It was not bad at all.
Free of pain at last.
He spoke without anger.
I stopped worrying.
Not only happy but thrilled.
I couldn't be happier.
I was sad, but now I am calm.
Although it was a difficult week, I feel grateful.
THIS IS WONDERFUL
A quiet, peaceful, contented day.
So far so good.
I feel understood.
Hope is back.
The light-hearted talk was a gift.
Today was good 🙂
❤️
That made my day :)
My friend's laughter was delightful.
I can't help smiling.
I am less worried than last week.
Nothing could spoil this beautiful evening.
""".strip().splitlines()

UNPLEASANT = """
I am sad.
I am not happy.
I'm not happy at all.
I am not very happy with it.
I never felt safe there.
I hardly enjoyed any of it.
I don't think I was ever really happy there.
Nobody was kind to me.
There is no hope.
She lacked confidence.
He is anything but happy.
I can't stop crying.
This is terrible!
It went terribly.
It was terribly sad.
I am so tired of this mess.
I'm fed up.
I feel lonely and abandoned.
I am afraid of tomorrow.
I am furious!!!
It is a pointless, boring task.
I was calm, but now I am anxious.
I was happy; however, the news was devastating.
I AM SO ASHAMED OF IT
What a shame.
The run failed again, which is frustrating.
Nothing is good any more.
Without joy the day was long.
I stopped enjoying it.
I can’t cope with the pressure.
He didn't like me; I felt rejected.
😡😡😡
I lost my friend :(
My heart is broken.
They laughed at me.
I can't shake this sense of dread.
""".strip().splitlines()

UNSEEN_PLEASANT = """
I woke up cheerful and ready for the week.
The repair was a success, and everyone clapped.
It felt great to be trusted with the keys.
We talked for hours, and I felt heard.
A gentle rain fell, and I was at peace.
Her advice gave me courage.
I'm delighted with how the essay turned out.
He is the most generous person I know.
No complaints, the day was easy.
I have learned a lot and I am excited to go on.
For once nothing hurt.
The garden is thriving.
I treasure these walks.
Seeing the first blossom lifted my spirits.
I am not ashamed of my mistakes any more.
My heart is full.
The soup was delicious and the company even better.
I feel stronger than I did in spring.
He apologised, and I was touched.
The exam was not as hard as I feared.
Playing with the dog always cheers me up.
I like who I am becoming.
At last the pressure is off.
What a brilliant idea!
I'm looking forward to Sunday.
""".strip().splitlines()

UNSEEN_UNPLEASANT = """
I have been low all week.
The rejection letter crushed me.
I hate how nervous I get before calls.
There was no joy in it.
I feel guilty for not writing.
My patience is running out.
The apartment is cold, dark and lonely.
He ignored my question, which annoyed me.
I never felt so small.
I'm ashamed that I lied.
The thought of winter makes me gloomy.
It worries me that the pump keeps failing.
We lost the harvest to the frost.
I am disappointed in myself.
The wait is unbearable.
Nothing seems to work, and I want to give up.
I broke down in tears.
She was not happy with my work.
The criticism was harsh and unfair.
My head aches and I am exhausted.
I couldn't enjoy the concert.
I'm suspicious of his motives.
It is hard to stay hopeful.
The news made me sick to my stomach.
I felt invisible at the party.
""".strip().splitlines()
"""The lexicon was not written from these, and is not to be mended by them: they measure it."""

EVEN = """
The task ran at ten and wrote three files.
What kind of file is it?
The sum of both numbers is forty.
Write your plan to meta/weekly_plan.md
""".strip().splitlines()


def read(text: str) -> Reading:
    return read_affect(text, english())


def valence(text: str) -> float:
    return read(text).affect.valence


def arousal(text: str) -> float:
    return read(text).affect.arousal


def dominance(text: str) -> float:
    return read(text).affect.dominance


@pytest.mark.parametrize("sentence", PLEASANT)
def test_a_pleasant_sentence_is_above_zero(sentence: str) -> None:
    assert valence(sentence) > 0.05


@pytest.mark.parametrize("sentence", UNPLEASANT)
def test_an_unpleasant_sentence_is_below_zero(sentence: str) -> None:
    assert valence(sentence) < -0.05


def test_nine_of_ten_sentences_that_the_lexicon_was_not_written_from_have_the_right_sign() -> None:
    right = [valence(sentence) > 0.02 for sentence in UNSEEN_PLEASANT]
    right += [valence(sentence) < -0.02 for sentence in UNSEEN_UNPLEASANT]
    assert len(right) == 50
    assert sum(right) >= 45


@pytest.mark.parametrize("sentence", EVEN)
def test_a_sentence_without_feeling_is_neutral(sentence: str) -> None:
    assert read(sentence).affect == NEUTRAL
    assert read(sentence).count == 0
    assert read(sentence).total > 3


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("I am very happy.", "I am happy."),
        ("I am extremely happy.", "I am very happy."),
        ("I am happy.", "I am slightly happy."),
        ("I am happy!", "I am happy."),
        ("I am happy!!!", "I am happy!"),
        ("I am HAPPY.", "I am happy."),
        ("I am a little sad.", "I am sad."),
        ("I am sad.", "I am so sad."),
        ("I am not sad.", "I am sad."),
        ("I am not very happy.", "I am not happy."),
        ("I hardly enjoyed it.", "I never enjoyed it."),
        ("I was sad, but I am happy.", "I was happy, but I am sad."),
        ("I am happy. 🙂", "I am happy. 😢"),
        ("I am not in pain, and I am happy.", "I am in pain, and I am not happy."),
    ],
)
def test_the_first_is_more_pleasant_than_the_second(more: str, less: str) -> None:
    assert valence(more) > valence(less)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("I am furious.", "I am annoyed."),
        ("I am excited.", "I am calm."),
        ("I am not calm.", "I am calm."),
        ("I am not excited.", "I am tired."),
        ("It is here!!!", "It is here."),
        ("Where is it???", "Where is it?"),
        ("WHERE DID YOU PUT IT", "Where did you put it"),
    ],
)
def test_the_first_is_more_stirred_than_the_second(more: str, less: str) -> None:
    assert arousal(more) > arousal(less)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("I am confident and capable.", "I am helpless."),
        ("I am angry.", "I am afraid."),
        ("I am not helpless.", "I am helpless."),
        ("I feel in control.", "I feel out of control."),
    ],
)
def test_the_first_is_stronger_than_the_second(more: str, less: str) -> None:
    assert dominance(more) > dominance(less)


@pytest.mark.parametrize(
    "sentence", ["I don't feel safe.", "I can't cope.", "I’m not happy, I couldn’t be sadder."]
)
@pytest.mark.parametrize("mark", "’‘ʼ＇")
def test_apostrophes_of_all_kinds_are_one(sentence: str, mark: str) -> None:
    straight = sentence.replace("’", "'")
    assert read(straight.replace("'", mark)) == read(straight)


def test_a_negation_ends_with_its_clause_and_reaches_only_so_far() -> None:
    assert valence("No, I am happy.") > 0
    assert valence("I did not come but I am happy.") > 0
    assert valence("He did not bring the long green wooden garden ladder, happy me.") > 0
    assert valence("He never came by train with luggage and books happy.") > 0
    assert valence("I am not happy, glad or calm.") > valence("I am not happy.")


def test_the_words_that_were_found_are_shown_as_they_were_counted() -> None:
    reading = read("I am not happy, but hopeful. HOPEFUL!")
    assert reading.count == 3
    assert dict(reading.words)["happy"] == -0.45
    assert dict(reading.words)["hopeful"] > 0.58
    many = read(" ".join("".join(term) for term in english().feelings if len(term) == 1))
    assert len(many.words) == MOST_WORDS_SHOWN
    assert many.count > 1000


def test_one_outburst_does_not_turn_a_long_text() -> None:
    calm = "The day was calm. " * 20
    assert abs(valence(calm + "I HATE THIS!!!") - valence(calm)) < 0.03
    assert abs(valence("I HATE THIS!!! " + calm) - valence(calm)) < 0.03


def test_few_words_of_feeling_in_a_long_text_weigh_little() -> None:
    plain = "The task ran at ten and wrote three files. " * 50
    assert 0 < valence(plain + "I am happy.") < 0.15 < valence("I am happy.")


def test_a_newline_within_a_sentence_ends_nothing_and_an_item_of_a_list_does() -> None:
    assert valence("I was not\nhappy") < 0
    assert valence("- not today\n- happy") > 0
    assert valence("not today\n\nhappy") > 0


TEXTS = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                *("happy", "not", "very", "SAD", "terribly", "can't", "help", "a", "little"),
                *("but", "!!!", "???", ",", "…", "-", "’", "'s", "\n\n", "😀", ":("),
                *("wits'", "end", "İ", "ß"),
            ]
        )
    ).map(" ".join),
)


@tried_with(deadline=None, max_examples=300)
@given(TEXTS)
def test_any_text_is_read_within_bounds(text: str) -> None:
    reading = read(text)
    affect = reading.affect
    assert -1 <= affect.valence <= 1
    assert 0 <= affect.arousal <= 1
    assert 0 <= affect.dominance <= 1
    assert 0 <= reading.count <= reading.total
    assert all(-1 <= value <= 1 for _, value in reading.words)
    assert read(text) == reading


HOSTILE = {
    "pauses": "a,",
    "marks": "! ",
    "sentences": "a! ",
    "negations": "not ",
    "lines": "\n ",
    "hyphens": "a-",
    "apostrophes": "'",
    "owned": "a's'",
    "feelings": "happy ",
    "capitals": "A",
    "faces": ":( ",
    "colons": ":",
    "half phrases": "at my ",
    "dots": ".",
    "blank lines": "\n\t\n",
    "letters": "é",
    "emoji": "😡",
    "no letters": "0_",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_the_time_grows_with_the_text_and_not_faster(name: str) -> None:
    """Four times the text takes about four times as long; a quadratic search would take sixteen."""

    def seconds(size: int) -> float:
        text = (HOSTILE[name] * (size // len(HOSTILE[name]) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            read(text)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(200_000) < 9 * seconds(50_000) + 0.02


def test_beyond_a_mebibyte_nothing_is_read() -> None:
    text = "word " * 220_000
    assert read(text + "I am happy. " * 1000).count == 0


# ---- the three numbers


@pytest.mark.parametrize(
    "values", [(1.1, 0.5, 0.5), (-1.1, 0.5, 0.5), (0, -0.1, 0.5), (0, 0.5, 1.1), (math.nan, 0, 0)]
)
def test_an_affect_out_of_range_cannot_be_made(values: tuple[float, float, float]) -> None:
    valence, arousal, dominance = values
    with pytest.raises(ValueError, match="is not between"):
        Affect(valence=valence, arousal=arousal, dominance=dominance)


@given(st.floats(), st.floats(), st.floats())
def test_anything_can_be_clamped(valence: float, arousal: float, dominance: float) -> None:
    affect = clamped(valence, arousal, dominance)
    assert distance(affect, affect) == 0
    assert 0 <= distance(affect, NEUTRAL) <= 1
    assert affect.in_words()
    assert affect.in_numbers().startswith("valence ")


def test_opposite_corners_are_one_apart() -> None:
    assert distance(clamped(-1, 0, 0), clamped(1, 1, 1)) == 1


def test_a_mean_of_nothing_is_neutral() -> None:
    assert blend([]) == NEUTRAL
    assert blend([(clamped(1, 1, 1), 0.0)]) == NEUTRAL
    assert blend([(clamped(1, 1, 1), 1.0), (clamped(0, 0, 0), 3.0)]).valence == 0.25


@pytest.mark.parametrize(
    ("affect", "words"),
    [
        (clamped(0.8, 0.8, 0.8), "very pleasant, agitated, strong"),
        (clamped(0.3, 0.6, 0.5), "pleasant, lively, steady"),
        (NEUTRAL, "neither pleasant nor unpleasant, even, steady"),
        (clamped(-0.4, 0.35, 0.35), "unpleasant, quiet, unsure"),
        (clamped(-0.9, 0.1, 0.1), "very unpleasant, calm, powerless"),
    ],
)
def test_an_affect_can_be_said_in_words(affect: Affect, words: str) -> None:
    assert affect.in_words() == words
