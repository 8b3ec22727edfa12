import os

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url


def get_engine():
    url = make_url(os.environ["DATABASE_URL"])
    return create_engine(url.set(drivername="postgresql+psycopg2"), pool_size=2)
