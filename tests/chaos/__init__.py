"""Killing processes at random while the product works, and proving that nothing is lost or doubled.

`make chaos` starts everything that the Procfile names, PostgreSQL with fsync, Redis and the Stripe
sandbox, has CI post (`load`) and time pass (`timekeeping`), and meanwhile does harm (`harm`). Then
all of it is brought up and drained, and what is held is compared with what an outsider knows who
wrote down every request and every answer (`outsider`, `proof`). docs/chaos.md says more.
"""
