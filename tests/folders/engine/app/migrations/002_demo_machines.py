"""Machines of the hall next door, for the demo"""

from sqlalchemy.orm import Session

from ..models import Machine, Reading
from ._helpers import note


def upgrade(engine):
    with Session(engine) as session:
        for number in range(1, 4):
            machine = Machine(serial=f"M-{number:03d}")
            session.add(machine)
            session.flush()
            for hour in range(number):
                session.add(Reading(machine_id=machine.id, celsius=20.5 + hour))
            session.flush()
        session.commit()
    with engine.begin() as conn:
        note(conn, "demo_machines")
