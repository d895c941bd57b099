"""The main job, walked through a calendar with everything real but Stripe."""
