"""The tables as they were when the first migrations were written."""

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text, text

metadata = MetaData()

rooms = Table(
    "rooms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(10), nullable=False, unique=True),
    Column("floor", Integer, nullable=False, server_default=text("0")),
)

doctors = Table(
    "doctors",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("room_id", ForeignKey("rooms.id")),
)
