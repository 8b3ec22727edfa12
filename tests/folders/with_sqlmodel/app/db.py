import os

from sqlalchemy.engine import make_url
from sqlmodel import create_engine

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
engine = create_engine(url)
