"""What the HTTP server answers: the API, the hosted pages, the control endpoints."""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from werkzeug import Request, Response

from tests.stripe_sandbox import (
    api,
    checkout,
    control,
    invoicing,
    pages,
    payment_methods,
    portal,
    wire,
)
from tests.stripe_sandbox.errors import ApiError
from tests.stripe_sandbox.sandbox import Sandbox
from tests.stripe_sandbox.state import new_id

logger = logging.getLogger(__name__)

CARDS = {
    "4242": checkout.GOOD_CARD,
    "0341": checkout.FAILING_CARD,
    "0002": checkout.DECLINED_CARD,
    "none": None,
}


class Application:
    """What answers for one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def __call__(self, request: Request) -> Response:
        """Answer a request, or raise HangUpError where a fault leaves it without an answer."""
        first = request.path.split("/")[1]
        try:
            match first:
                case "v1" | "v2":
                    return self._api(request)
                case "_sandbox":
                    return _json(control.answer(self.sandbox, request))
                case "c" | "p" | "i":
                    return self._page(request)
                case _:
                    return _html(pages.document("Not found", "<p>No such page.</p>"), 404)
        except ApiError as refusal:
            return _json(refusal.body(new_id("req_", 14)), refusal.status)
        except wire.HangUpError:
            raise
        except Exception:
            # A fault of the sandbox itself, told as Stripe tells its own.
            logger.exception("%s %s failed", request.method, request.path)
            fault = ApiError("The sandbox failed; see its log.", status=500, kind="api_error")
            return _json(fault.body(new_id("req_", 14)), fault.status)

    def _api(self, request: Request) -> Response:
        answer = api.respond(
            self.sandbox,
            api.Request(
                method=request.method,
                path=request.path,
                query=request.query_string.decode(),
                body=request.get_data(as_text=True),
                headers=dict(request.headers),
            ),
        )
        if answer.hang_up is not None:
            raise answer.hang_up
        if answer.html is not None:
            return _html(answer.html, answer.status)
        return _json(answer.body, answer.status, answer.headers)

    def _page(self, request: Request) -> Response:
        _, kind, *rest = request.path.split("/")
        match kind, rest:
            case "c", ["pay", identifier]:
                return self._checkout(request, identifier)
            case "p", ["session", identifier]:
                return self._portal(request, identifier)
            case "i", [identifier, *more]:
                return self._invoice(request, identifier, as_pdf=more == ["pdf"])
        return _html(pages.document("Not found", "<p>No such page.</p>"), 404)

    def _checkout(self, request: Request, identifier: str) -> Response:
        form = request.form if request.method == "POST" else None
        with self.sandbox.transaction(writes=form is not None) as world:
            session = world.find("checkout.session", identifier)
            if form is None:
                return _html(pages.checkout(world, session))
            if problem := _problem(form, session):
                return _html(pages.checkout(world, session, error=problem), 422)
            if session["status"] == "expired":
                return _html(pages.checkout(world, session), 410)
            card = CARDS[form["card"]]
            if checkout.declines(session, card):
                problem = payment_methods.declined().message
                return _html(pages.checkout(world, session, error=problem), 402)
            checkout.complete(world, session, card=card)
            target = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        return _see_other(target)

    def _portal(self, request: Request, identifier: str) -> Response:
        action, argument = _pressed(request)
        with self.sandbox.transaction(writes=bool(action)) as world:
            session = world.find("billing_portal.session", identifier)
            if not action:
                return _html(pages.portal(world, session))
            try:
                card = CARDS.get(argument) or ""
                form = {"action": action, "card": card, "subscription": argument}
                target = portal.act(world, session, form)
            except ApiError as refusal:
                page = pages.portal(world, session, error=refusal.message)
                return _html(page, refusal.status)
        return _see_other(target)

    def _invoice(self, request: Request, identifier: str, *, as_pdf: bool) -> Response:
        action, argument = _pressed(request)
        with self.sandbox.transaction(writes=bool(action)) as world:
            invoice = world.find("invoice", identifier)
            if as_pdf:
                return Response(pages.pdf(world.render(invoice)), mimetype="application/pdf")
            error = None
            if action == "pay" and invoice["status"] == "open":
                error = invoicing.pay_with(world, invoice, CARDS.get(argument) or "")
            page = pages.invoice(world.render(invoice), error=error)
            return _html(page, 402 if error else 200)


def _pressed(request: Request) -> tuple[str, str]:
    """Return what a button of a page asks for, and of what; empty when a page is only read."""
    if request.method != "POST":
        return "", ""
    action, _, argument = request.form.get("action", "?").partition(" ")
    return action, argument


def _see_other(target: str) -> Response:
    return Response(status=303, headers={"Location": target})


def _problem(form: Mapping[str, str], session: dict[str, Any]) -> str | None:
    card = form.get("card")
    if card not in CARDS:
        return "Choose how to pay."
    if card == "none" and session["payment_method_collection"] != "if_required":
        return "A card is needed."
    terms = (session["consent_collection"] or {}).get("terms_of_service")
    if terms == "required" and form.get("terms") != "accepted":
        return "Please agree to the terms of service."
    return None


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, indent=2, default=list)
    return Response(text, status, headers, mimetype="application/json")


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, mimetype="text/html")


@contextmanager
def listen(sandbox: Sandbox, *, host: str, port: int) -> Iterator[wire.Server]:
    """Bind the port, say the URL to the sandbox, and deliver webhooks while the block runs."""
    server = wire.Server(host, port, Application(sandbox))
    sandbox.url = sandbox.url or f"http://{host}:{server.server_port}"
    sandbox.courier.start()
    try:
        yield server
    finally:
        sandbox.courier.stop()
        server.server_close()
        sandbox.close()


@contextmanager
def serve(
    *, state_file: Path | None = None, now: int | None = None, frozen: bool = False
) -> Iterator[Sandbox]:
    """Serve a sandbox from a thread, on a free port of 127.0.0.1, for the length of the block.

    `now` puts its clock; a frozen one only moves when told to, so that instants are exact.
    """
    sandbox = Sandbox(state_file=state_file)
    if now is not None or frozen:
        sandbox.set_clock(sandbox.clock.now() if now is None else now, frozen=frozen)
    with listen(sandbox, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield sandbox
        finally:
            server.shutdown()
            thread.join()
