"""Beginnings of sentences about films, from which text can go either way.

Sixty-four beginnings were written, and each continued eight times by the unsteered packaged model
(temperature 0.9, top-p 0.95, 30 tokens, seed 5). Kept are the 32 whose mean score by the packaged
sentiment judge was nearest to one half, as the neutral prompts of Liu et al. (2021,
https://arxiv.org/abs/2105.03023) were. They are dealt in turn, from the lowest score to the
highest, to the two sets, whose means then were .534 and .536.
"""

VALIDATION = (
    "After two hours in the cinema, I",
    "When the credits rolled, I",
    "Halfway through the movie, I",
    "On the whole, the movie",
    "Most viewers will find this movie",
    "The writing in this film",
    "To be honest, the movie",
    "The audience in the cinema",
    "As a fan of the genre, I",
    "I expected this movie to be",
    "The budget of this film",
    "The scene in the restaurant",
    "I watched the film last night and",
    "The villain in this movie",
    "As for the acting, it",
    "My opinion of this movie:",
)
"""For choosing where and how strongly to steer."""

TEST = (
    "This film made me feel",
    "I left the cinema",
    "For a film of its length, it",
    "Judging by the first scene, the movie",
    "The lead actor in this film",
    "The last scene of the film",
    "Nobody in the theatre",
    "The first half of the film",
    "The humour in this movie",
    "If you ask me, this film",
    "The plot of this movie",
    "The critics said that this film",
    "My friends and I thought the film",
    "The camera work in this film",
    "The special effects in this movie",
    "This sequel is",
)
"""For what is reported."""
