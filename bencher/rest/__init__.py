"""How endpoints read requests, answer them and describe themselves, in one way for all."""
