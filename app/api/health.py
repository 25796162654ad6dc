"""Whether the service lives, and whether it does its work."""

from flask import Response

import app
from app.api import shapes
from app.api.answers import answer
from app.api.door import Answer, Door
from app.api.schemas import Alive, HealthShown
from app.api.serving import services

door = Door("health", __name__, description="Whether all is well")


@door.on(
    "GET",
    "/healthz",
    answers={
        200: Answer(description="All is well", schema=HealthShown),
        503: Answer(description="Something keeps tasks from running", schema=HealthShown),
    },
)
def healthz() -> Response:
    """Say whether the service does its work, and if not, why"""
    health = services().health.check()
    age = health.tick_age
    return answer(
        {
            "status": "ok" if health.is_well else "failing",
            "reasons": [*health.reasons],
            "notes": [*health.notes],
            "tick_age_seconds": round(age.total_seconds(), 3) if age is not None else None,
            "oldest_overdue_slot": shapes.instant(health.overdue),
            "processes": health.processes,
            "scripts": {
                "available": health.scripts.available,
                "reason": health.scripts.reason,
            },
            "version": app.__version__,
        },
        200 if health.is_well else 503,
    )


@door.on("GET", "/livez", answers={200: Answer(description="It lives", schema=Alive)})
def livez() -> Response:
    """Say that this process answers, nothing more"""
    return answer({"status": "alive"})
