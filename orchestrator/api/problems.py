"""Errors as RFC 9457 problem documents."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator.errors import PatchwaveError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, title: str, detail: str, **more: Any) -> JSONResponse:
    """One problem document; ``code`` is the stable name of `orchestrator.errors`."""
    document = {"type": f"urn:patchwave:problem:{code}", "title": title, "status": status, "detail": detail}
    return JSONResponse(document | {"code": code} | more, status_code=status, media_type=MEDIA_TYPE)


def install_problems(api: FastAPI) -> None:
    """Answer every error as a problem; what nobody foresaw says nothing of its insides."""

    @api.exception_handler(PatchwaveError)
    def _ours(_request: Request, exc: PatchwaveError) -> JSONResponse:
        return problem(exc.status, exc.code, (type(exc).__doc__ or "").strip().splitlines()[0], str(exc))

    @api.exception_handler(HTTPException)
    def _http(_request: Request, exc: HTTPException) -> JSONResponse:
        response = problem(exc.status_code, "http_error", str(exc.detail), str(exc.detail))
        response.headers.update(exc.headers or {})
        return response

    @api.exception_handler(RequestValidationError)
    def _invalid(_request: Request, exc: RequestValidationError) -> JSONResponse:
        errors = [{"field": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in exc.errors()]
        return problem(422, "invalid_input", "The request is not valid.", errors[0]["message"], errors=errors)

    @api.exception_handler(Exception)
    def _bug(_request: Request, _exc: Exception) -> JSONResponse:
        return problem(500, "error", "An error of ours.", "It is in the service's log.")
