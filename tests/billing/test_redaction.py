"""What is left of Stripe's objects."""

from billing import redaction

INVOICE = {
    "id": "in_1",
    "object": "invoice",
    "status": "paid",
    "total": 15000,
    "paid": True,
    "number": "ACME-0001",
    "customer": {"id": "cus_1", "name": "Acme", "invoice_prefix": "ACME"},
    "customer_email": "alice@example.com",
    "lines": {"data": [{"id": "il_1", "description": "Acme", "quantity_decimal": "12"}]},
    "metadata": {"evidence_sha256": "ab", "acme": "acme"},
    "due_date": None,
}


class TestOfCustomer:
    def test_keeps_ids_states_and_numbers_only(self) -> None:
        assert redaction.of_customer(INVOICE) == {
            "id": "in_1",
            "object": "invoice",
            "status": "paid",
            "total": 15000,
            "paid": True,
            "number": "",
            "customer": {"id": "cus_1", "name": "", "invoice_prefix": ""},
            "customer_email": "",
            "lines": {"data": [{"id": "il_1", "description": "", "quantity_decimal": "12"}]},
            "metadata": {"evidence_sha256": "ab", "acme": ""},
            "due_date": None,
        }

    def test_of_what_is_redacted_is_the_same(self) -> None:
        redacted = redaction.of_customer(INVOICE)

        assert redaction.of_customer(redacted) == redacted


class TestOfPerson:
    def test_takes_the_address_and_what_stands_beside_it(self) -> None:
        person = {
            "email": "Alice@Example.com",
            "name": "Alice",
            "phone": "+1",
            "address": {"line1": "1 Street"},
            "id": "cus_1",
        }

        assert redaction.of_person({"details": [person], "name": "Acme"}, "alice@example.com") == {
            "details": [
                {"email": "", "name": "", "phone": "", "address": {"line1": ""}, "id": "cus_1"}
            ],
            "name": "Acme",
        }

    def test_takes_a_text_that_holds_it(self) -> None:
        found = redaction.of_person({"note": "for alice@example.com"}, "alice@example.com")

        assert found == {"note": ""}

    def test_leaves_others_alone(self) -> None:
        assert redaction.of_person(INVOICE, "bob@example.com") == INVOICE
