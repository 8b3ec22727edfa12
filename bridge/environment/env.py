"""What ``alembic`` runs: everything is in `bridge.alembic.environment`."""  # noqa: INP001 - run by its path

from alembic import context

from bridge.alembic.environment import run_environment

run_environment(context)
