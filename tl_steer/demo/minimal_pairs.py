"""Pairs of prompts about films that differ in one word, and in what is to be expected after them.

Both prompts of a pair have equally many tokens (of the packaged model's tokenizer), so that
activations can be exchanged token by token. Each was kept only for that: none was left out for
what the model makes of it.
"""

from tl_steer.data import ContrastSet

ANSWERS = (" good", " bad")
"""What the two prompts of a pair ask for."""

_TEMPLATES = (
    ("I {} the film, so to me it was", "loved", "hated"),
    ("The acting was {}, so the film was", "great", "awful"),
    ("We {} every minute of this movie. It is", "loved", "hated"),
    ("The reviews of the film were {}. To us it was", "good", "poor"),
    ("It is the {} film of the year. The story is", "best", "worst"),
    ("What a {} movie! In my opinion it is", "wonderful", "terrible"),
    ("The plot was {}, and the film was", "exciting", "boring"),
    ("My friends were {} with the movie. It was", "happy", "sad"),
    ("A {} film. All in all, it is", "beautiful", "dreadful"),
    ("The actors are {}, and the movie is", "brilliant", "horrible"),
    ("I was {} with this film. It was", "pleased", "bored"),
    ("The audience {} at the end, so the film was", "cheered", "booed"),
    ("The script is {}, so the film is", "clever", "stupid"),
    ("This movie is a {}. The acting is", "masterpiece", "disaster"),
    ("I would {} the film, because it is", "recommend", "avoid"),
    ("The movie was a {}. The story was", "success", "failure"),
    ("The jokes are {}, and the film is", "funny", "dull"),
    ("The director is {}. Her film is", "talented", "incompetent"),
    ("A {} story. I think the film is", "charming", "tedious"),
    ("I left the cinema {}. The movie was", "happy", "angry"),
    ("The music was {}, and the movie was", "lovely", "ugly"),
    ("The ending was {}. I found the film", "perfect", "terrible"),
    ("The best scene is {}, and the film is", "superb", "silly"),
    ("A {} cast. My verdict: the film is", "fantastic", "terrible"),
)


def minimal_pairs(n: int = len(_TEMPLATES)) -> ContrastSet:
    """Return the first ``n`` pairs, of 24."""
    return ContrastSet.pairs(
        [(text.format(up), text.format(down)) for text, up, down in _TEMPLATES[:n]],
        name="minimal pairs about films",
    )
