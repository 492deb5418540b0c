"""From texts to numbers, from numbers to pictures, and from both to a report."""
