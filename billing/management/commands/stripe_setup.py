"""Makes at Stripe what Pro needs; may be run any number of times."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing import gateway, stripe_setup


class Command(BaseCommand):
    """Find or make the meter, product, price and webhook endpoint."""

    help = "Find or make at Stripe what Pro needs, and print what to put in the environment."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each thing as it is found or made."""
        product = ""
        try:
            for found in stripe_setup.run():
                self.stdout.write(f"{'made' if found.made else 'found'} {found.what} {found.id}")
                product = found.id if found.what == "product" else product
        except (gateway.GatewayError, gateway.NotConfiguredError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"\nPut this in the environment:\nACTIVE_SERIES_PRODUCT={product}")
