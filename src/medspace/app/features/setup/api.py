"""The steps of the set-up, in the management API."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from medspace.app.doors.bodies import json_response
from medspace.app.doors.management.actors import Acting, needs
from medspace.app.doors.management.routing import router, speak_to
from medspace.app.features.setup.progress import SetupProgress
from medspace.app.features.setup.steps import TO_DO


def routes(progress: SetupProgress) -> APIRouter:
    """`GET /setup`: `{file, left, steps: [...]}`."""
    routes = router("space")

    @routes.get("/setup", **needs())
    async def shown(request: Request, by: Acting) -> Response:
        steps = await progress.steps(by)
        speak = speak_to(request)
        left = sum(step.state == TO_DO for step in steps)
        return json_response({"file": progress.file, "left": left, "steps": [step.told(speak) for step in steps]})

    return routes
