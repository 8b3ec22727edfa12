"""The same service with Flask: each worker that is started migrates, or waits for another.

Run it in this folder with `DATABASE_URL=postgresql+psycopg2://… gunicorn with_flask:app`.
"""

import logging
import os
from pathlib import Path

from flask import Flask
from sqlalchemy import create_engine, text

import bridge

logging.basicConfig()
logging.getLogger("bridge").setLevel(logging.INFO)
bridge.start(config=Path(__file__).with_name("alembic.ini"))

engine = create_engine(os.environ["DATABASE_URL"])
app = Flask(__name__)


@app.get("/")
def list_notes() -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT body FROM notes ORDER BY created_at DESC")))
