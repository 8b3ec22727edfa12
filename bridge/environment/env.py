"""What ``alembic`` runs: everything is in `bridge.online`."""  # noqa: INP001 - run by its path

from alembic import context

from bridge.online import run_environment

run_environment(context)
