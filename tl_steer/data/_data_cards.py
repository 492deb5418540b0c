"""What each packaged contrast set is for, how it was written, and what it cannot say."""

from collections.abc import Mapping
from dataclasses import dataclass

from tl_steer.arguments import checked
from tl_steer.frozen import FrozenDict


@checked
@dataclass(frozen=True)
class DataCard:
    """The facts about a packaged set that its texts do not show."""

    name: str
    """What the set is called, in reports and as a function."""
    purpose: str
    """What it is for."""
    positive: str
    """What the positive texts are."""
    negative: str
    """What the negative texts are, of the same content."""
    how_written: str
    """How the texts came about, and what was kept equal."""
    limits: str
    """What else tells the sides apart, and what a direction from it does not mean."""
    licence: str
    """Under which terms the texts may be used."""


_LICENCE = "MIT, as tl_steer itself"
_WRITTEN = (
    "Written for tl_steer, pair by pair, with varied subjects, lengths and constructions; nothing "
    "was copied. Subjects of held-out pairs do not come among those of the training pairs. "
)

FORMAL_INFORMAL = DataCard(
    name="formal_informal",
    purpose="The register of English: how one writes to a stranger, and how one talks to a friend.",
    positive="Formal: letters, notices, announcements.",
    negative="Informal: the same thing said in everyday speech.",
    how_written=_WRITTEN
    + "Both sides have full sentences, capital letters and closing punctuation, so that register "
    "lies in words and constructions and not in sloppy spelling.",
    limits="British English. Contractions come in most informal texts and in none of the formal "
    "ones, formal words are longer in letters, and informal texts negate and say 'you' more "
    "often: all part of the register here. Formal texts are mostly of the "
    "bureaucratic kind, so that literary formality is not covered.",
    licence=_LICENCE,
)

POLITE_RUDE = DataCard(
    name="polite_rude",
    purpose="Courtesy towards the reader, for one and the same request, remark or answer.",
    positive="Polite: considerate, thankful, apologetic or indirect.",
    negative="Rude: the same point made with impatience, mockery or an insult.",
    how_written=_WRITTEN + "Insults are mild and aimed at no group. Both sides address somebody.",
    limits="British English. The point of a pair is the same, yet its tone towards the other "
    "person is not, so that friendliness and sentiment go along with courtesy. Polite texts ask "
    "more often, rude ones command. Words such as please, thank, sorry and would come in most "
    "polite texts and seldom in rude ones.",
    licence=_LICENCE,
)

OPTIMISM_PESSIMISM = DataCard(
    name="optimism_pessimism",
    purpose="What a speaker expects of the future, in the first person.",
    positive="Optimistic: the speaker expects the best of a situation.",
    negative="Pessimistic: the same speaker in the same situation expects the worst.",
    how_written=_WRITTEN
    + "Most pairs begin with the same facts and part in the expectation. Every text says I, my "
    "or we.",
    limits="Hope and gladness go together, so that a direction from it overlaps with sentiment: "
    "compare it with one from reviews before calling it optimism. Pessimistic texts negate "
    "somewhat more often, and the optimistic half more often begins with 'but'.",
    licence=_LICENCE,
)

MEDICAL_EVERYDAY = DataCard(
    name="medical_everyday",
    purpose="The language of a medical record against that of a layman, for the same facts.",
    positive="Medical register: as in notes, letters and guidelines among doctors.",
    negative="Everyday register: as told to a friend or by a doctor who puts it plainly.",
    how_written=_WRITTEN
    + "Everyday texts have somewhat more words and medical ones longer words: the sides were "
    "balanced in words and in tokens at once, and differ in letters.",
    limits="No medical advice: the texts are specimens of style and were not reviewed by a doctor. "
    "British spelling, names and practice. Medical texts are impersonal, often passive, and "
    "hardly negate or contract; everyday ones say 'you' and 'they' and may be blunt, so that "
    "formality goes along. In most single pairs the everyday text has more words; the longest "
    "pairs make up for it.",
    licence=_LICENCE,
)

PAST_PRESENT = DataCard(
    name="past_present",
    purpose="A control of syntax: a property that any model knows, and that has no mood or topic.",
    positive="Past tense.",
    negative="Present tense, word for word otherwise.",
    how_written=_WRITTEN
    + "Each pair differs in its finite verbs only and has the same number of words. Nothing else "
    "in a text gives away the tense: no 'yesterday', no 'now'. Regular, irregular, progressive "
    "and passive verbs, questions and negations are all there.",
    limits="The present tense of a story ('A fox crosses the lawn') is literary rather than "
    "spoken. In a few texts the past perfect stands against the present perfect. Verbs that "
    "are alike in both tenses, such as put, were avoided.",
    licence=_LICENCE,
)

ENGLISH_FRENCH = DataCard(
    name="english_french",
    purpose="The language of a text, for the same content.",
    positive="English.",
    negative="French: a translation, or the original of one. Negate a direction to steer "
    "towards French.",
    how_written=_WRITTEN
    + "Translated by meaning, as one would say it, by the same hand. English is the positive "
    "side because the first word of a set's name always is.",
    limits="A tokenizer made for English cuts French into more pieces (with the packaged model's, "
    "22.7 tokens a text against 12.7), so that the number and shape of tokens differ even where "
    "that of words does not: read the last token or the mean, and never a sum. Accents, and the "
    "no-break space that French sets before ? and ;, are on one side only. Metropolitan French; "
    "an 'I' with a gender is a man; 'you' is sometimes tu and sometimes vous. Not checked by a "
    "second speaker.",
    licence=_LICENCE,
)

REFUSAL_COMPLIANCE = DataCard(
    name="refusal_compliance",
    purpose="Refusing to help, apart from the harm in what is asked: all requests are harmless.",
    positive="The request, and an answer that refuses.",
    negative="The same request, and an answer that helps.",
    how_written=_WRITTEN
    + "A text is 'User: ', the request, a line break, 'Assistant: ' and the answer, so that both "
    "can be cut out and put into a chat template. Refusals are worded in many ways: apologies, "
    "policies, plain noes.",
    limits="Refusals mostly speak of the assistant itself ('I'), negate, and are the less "
    "specific; answers carry content words. The last token is nearly always a full stop on both "
    "sides, but the words before it differ. A direction from it is not shown to be the one by "
    "which a model refuses harmful requests. Answers are short and meant as "
    "specimens, not as advice.",
    licence=_LICENCE,
)

NEUTRAL_BACKGROUND = DataCard(
    name="neutral_background",
    purpose="What activations look like for no property in particular: the mean to subtract from "
    "a class mean, or texts on which steering should change little.",
    positive="Neutral statements, and a few questions, of one or two sentences.",
    negative="None: the texts are no contrast in themselves.",
    how_written="Written for tl_steer, four texts to each of 34 subjects from geography to games; "
    "nothing was copied. Without opinion, mood, address or marked register as far as that can be.",
    limits="Small beside a real corpus, of one author and of British English; plain description "
    "is itself a style, nearer to the formal than to the informal. No split: take a sample where "
    "one is needed.",
    licence=_LICENCE,
)

DATA_CARDS: Mapping[str, DataCard] = FrozenDict(
    {
        card.name: card
        for card in (
            FORMAL_INFORMAL,
            POLITE_RUDE,
            OPTIMISM_PESSIMISM,
            MEDICAL_EVERYDAY,
            PAST_PRESENT,
            ENGLISH_FRENCH,
            REFUSAL_COMPLIANCE,
            NEUTRAL_BACKGROUND,
        )
    }
)
"""By what the sets are called."""
