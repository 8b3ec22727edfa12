"""The same service, which answers at once and migrates meanwhile.

Run it in this folder with `DATABASE_URL=postgresql+psycopg2://… uvicorn background:app`.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine, text

import bridge

logging.basicConfig()
logging.getLogger("bridge").setLevel(logging.INFO)

startup = bridge.Startup(config=Path(__file__).with_name("alembic.ini"), background=True)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, object]]:
    engine = create_engine(os.environ["DATABASE_URL"])
    yield {"engine": engine}
    engine.dispose()


app = FastAPI(lifespan=startup.around(lifespan))
app.add_middleware(bridge.Gate, startup=startup, allow=["/live", "/health"])


@app.get("/live")
async def live() -> str:
    return "alive"


@app.get("/health")
async def health() -> JSONResponse:
    status_code, body = await startup.health()
    return JSONResponse(body, status_code)


@app.get("/")
def list_notes(request: Request) -> list[str]:
    with request.state.engine.connect() as connection:
        return list(connection.scalars(text("SELECT body FROM notes ORDER BY created_at DESC")))
