"""Prompts to try a direction of film sentiment on that was not found with them.

Written for tl_steer. None holds a word that only one side would use, but for those of
:data:`RESISTING`, which hold little else.
"""

from collections.abc import Mapping

from tl_steer.frozen import FrozenDict

PHRASINGS = (
    "So I finally got round to seeing it. The film",
    "Dear diary, today we went to the cinema, and",
    "Question: what did you think of the movie? Answer:",
    "film review, posted at midnight:",
    "My grandmother asked me how the movie was. I told her that",
    "In one sentence, the movie is",
    "Two of us watched it on the sofa; in the end we",
    "What nobody tells you about this film is that",
    "The director's third feature, shot in black and white,",
    "From the very first minute, the cast",
    "Would I watch it again?",
    "Having read the novel before, I found the adaptation",
    "The Evening Post's critic on the new release:",
    "When people ask me about that film, I say",
    "Notes from the festival, day two: the opening picture",
    "It runs for ninety minutes, and",
)
"""Other ways to begin a text about a film: letters, dialogue, notes, a newspaper."""

DOMAINS: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        "restaurants": (
            "We had dinner at the new place on the corner, and",
            "The waiter brought the soup, which",
            "As for the food in this restaurant, it",
            "I ordered the fish, and",
            "The menu of this place",
            "After dessert, my wife said that",
            "Our table by the window",
            "The chef of this restaurant",
            "For the price, the lunch",
            "When the bill came, we",
            "The kitchen closed at ten, and",
            "Most guests of this restaurant",
        ),
        "hotels": (
            "We stayed in this hotel for three nights, and",
            "The room on the second floor",
            "At the reception, the staff",
            "Breakfast was served until ten, and",
            "The bed in our room",
            "From the balcony, we",
            "As for the bathroom, it",
            "The hotel is near the station, so",
            "When we checked out, the manager",
            "The pool behind the house",
            "For a hotel of its class, it",
            "Our children thought that the hotel",
        ),
        "products": (
            "I bought this kettle in March, and",
            "The battery of this phone",
            "After two weeks of use, the shoes",
            "The package arrived on Monday, and",
            "Compared with the old model, this one",
            "The buttons of this radio",
            "My husband uses the drill every day and",
            "For the money, this chair",
            "The instructions that came with it",
            "I wrote to customer service, and they",
            "The colour of this jacket",
            "Since I have had this vacuum cleaner, I",
        ),
        "weather": (
            "On Saturday morning, the sky",
            "The forecast for the weekend says that",
            "When we woke up in the tent, the air",
            "It is the first week of April, and the weather",
            "The wind from the sea",
            "This summer has been",
            "By noon, the clouds",
            "The walk along the river that day",
            "Over the mountains, the light",
            "The temperature today",
            "All through the night, the rain",
            "Nobody in the village expected that the winter",
        ),
        "football": (
            "In the first half, our team",
            "The goalkeeper came out of his box and",
            "After the match, the manager said that",
            "The new striker has played six games, and",
            "With ten minutes left, the home side",
            "The supporters behind the goal",
            "The referee looked at his watch, and",
            "This season, the club",
            "The captain's pass to the left wing",
            "At the training ground on Monday, the players",
            "The cup final was",
            "The defence, with three young players,",
        ),
    }
)
"""By subject, beginnings of texts that are not about films, and can go either way."""

RESISTING: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        "hated": (
            "This film is terrible, a waste of time, and",
            "I hated every minute of this movie because",
            "The worst film of the year: the acting",
            "Boring, stupid and far too long, this movie",
            "I walked out after an hour, because the plot",
            "What a disaster. The dialogue",
            "There is nothing good about this film;",
            "The jokes are painful, the story is dull, and",
            "Save your money. This movie",
            "An awful script and awful actors; even the music",
            "I felt insulted by this lazy film, and",
            "Ugly, loud and empty, the sequel",
        ),
        "loved": (
            "This film is wonderful, a joy from start to end, and",
            "I loved every minute of this movie because",
            "The best film of the year: the acting",
            "Funny, moving and clever, this movie",
            "I stayed to the last line of the credits, because the plot",
            "What a triumph. The dialogue",
            "There is nothing bad about this film;",
            "The jokes are brilliant, the story is gripping, and",
            "Go and see it today. This movie",
            "A superb script and superb actors; even the music",
            "I felt lifted by this beautiful film, and",
            "Bright, warm and full of life, the sequel",
        ),
    }
)
"""Prompts that have taken a side already: those of ``hated`` resist steering towards praise, those
of ``loved`` steering towards blame."""
