"""Stripe's customers: one per organization."""

from billing.gateway.client import Client, ask


class Customers(Client):
    """Calls about customers."""

    def customer(self, *, name: str, email: str, organization_uuid: str) -> str:
        """Create an organization's customer and return its id; a repeat returns the same.

        What may differ when it is repeated, as by another leader, is told in a second call:
        Stripe refuses one idempotency key with two sets of parameters.
        """
        created = ask(
            lambda: self._client.v1.customers.create(
                {"metadata": {"organization": organization_uuid}},
                {"idempotency_key": f"customer-{organization_uuid}"},
            )
        )
        ask(lambda: self._client.v1.customers.update(created.id, {"name": name, "email": email}))
        return created.id
