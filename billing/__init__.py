"""What is charged: plans, periods, the count sent to Stripe, statements and their proof."""
