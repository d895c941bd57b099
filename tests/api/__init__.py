"""The API of the entities, as Bencher's clients use it."""
