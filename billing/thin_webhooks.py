"""The address to which Stripe sends thin events about meters."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from bencher import clock
from bencher.errors import body
from billing import gateway, meter_errors


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Take a thin event. Whatever Stripe signed is answered with 200, also what is not for us."""
    if not settings.BILLING_CONFIGURED or not settings.STRIPE_THIN_WEBHOOK_SECRET:
        return JsonResponse(
            body("No events are taken here: STRIPE_THIN_WEBHOOK_SECRET is not set."), status=404
        )
    signature = request.headers.get("stripe-signature", "")
    try:
        meter_errors.receive(request.body, signature=signature, now=clock.now())
    except gateway.ForgedError as error:
        return JsonResponse(body(str(error)), status=400)
    return JsonResponse({})
