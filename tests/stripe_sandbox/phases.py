"""The phases of subscription schedules: which items a subscription has from which period on.

The sandbox changes phases only where a period ends, which is where nothing is prorated.
"""

from typing import TYPE_CHECKING

from tests.stripe_sandbox.state import Json

if TYPE_CHECKING:
    from tests.stripe_sandbox.world import World

TABLE = "subscription_schedule"
CANCEL: Json = {"items": []}


def of(world: "World", subscription: Json) -> Json | None:
    """Return the schedule that manages a subscription, if one does."""
    return world.state.tables[TABLE].get(subscription["schedule"] or "")


def at(world: "World", subscription: Json, boundary: int) -> Json | None:
    """Return the phase that begins at the end of a period, CANCEL if the subscription ends there.

    A schedule whose last phase ends there, and that does not cancel, lets the subscription go.
    """
    schedule = of(world, subscription)
    if schedule is None:
        return None
    for phase in schedule["phases"]:
        if phase["start_date"] == boundary:
            return dict(phase)
    if schedule["phases"][-1]["end_date"] == boundary:
        if schedule["end_behavior"] == "cancel":
            return CANCEL
        leave(world, subscription, "released")
    return None


def enter(world: "World", subscription: Json, phase: Json) -> None:
    """Note that a phase is the current one now."""
    schedule = of(world, subscription)
    assert schedule
    with world.changing(schedule, "subscription_schedule.updated"):
        schedule["current_phase"] = {
            "start_date": phase["start_date"],
            "end_date": phase["end_date"],
        }
    subscription["metadata"] |= phase["metadata"]


def leave(world: "World", subscription: Json, status: str) -> None:
    """End the schedule of a subscription, if it has one."""
    schedule = of(world, subscription)
    if schedule is None:
        return
    ended = {"released": "released_at", "canceled": "canceled_at"}
    schedule["status"] = status
    schedule["current_phase"] = None
    schedule[ended[status]] = world.now
    if status == "released":
        schedule["released_subscription"] = subscription["id"]
        schedule["subscription"] = None
    subscription["schedule"] = None
    world.emit(f"{TABLE}.{status}", schedule)
