"""A small service that migrates its database before it serves.

Run it in this folder with `DATABASE_URL=postgresql+psycopg2://… uvicorn main:app`.
"""

import logging
import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy import create_engine, text

import bridge

logging.basicConfig()
logging.getLogger("bridge").setLevel(logging.INFO)

engine = create_engine(os.environ["DATABASE_URL"])
startup = bridge.Startup(config=Path(__file__).with_name("alembic.ini"))
app = FastAPI(lifespan=startup.lifespan)


@app.get("/health")
async def health() -> JSONResponse:
    status_code, body = await startup.health()
    return JSONResponse(body, status_code)


@app.get("/")
def list_notes() -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT body FROM notes ORDER BY created_at DESC")))


@app.post("/", status_code=201)
def write_note(body: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes (body) VALUES (:body)"), {"body": body})
