"""The Alembic entry point, and nothing else.

Every process that imports Alembic imports this module. It must therefore stay light, must
never raise, and must change nothing for a project that has not opted in, which a project does
with ``script_location = bridge:environment`` or, with an ``env.py`` of its own,
``plain_files = true``.
"""

from __future__ import annotations

from bridge import ENVIRONMENT, SWITCHED_ON

TYPE_CHECKING = False  # `typing` is not loaded for it
if TYPE_CHECKING:
    from typing import Any

    from alembic.config import Config
    from alembic.script import ScriptDirectory


def setup(_plugin: object) -> None:
    """Make ``ScriptDirectory.from_config`` answer with plain files where they are asked for."""
    from alembic.script import ScriptDirectory

    original: Any = ScriptDirectory.from_config

    def from_config(cls: type[ScriptDirectory], config: Config) -> ScriptDirectory:
        if opted_in(config):
            return _plain_files(config)
        # A subclass goes on being told that it is one, unless somebody else has wrapped this too.
        function = getattr(original, "__func__", None)
        directory: ScriptDirectory = function(cls, config) if function else original(config)
        return directory

    from_config.__doc__ = original.__doc__
    ScriptDirectory.from_config = classmethod(from_config)  # type: ignore[method-assign, assignment]


def _plain_files(config: Config) -> ScriptDirectory:
    from bridge.alembic.script_directory import PlainScriptDirectory

    directory = PlainScriptDirectory.from_plain_config(config)

    def outside(file: Any, direction: Any) -> bool:
        from bridge.alembic.offline.one_file import write_for_others

        return write_for_others(file, direction, directory.settings)

    directory.outside = outside
    return directory


def opted_in(config: Config) -> bool:
    """Return whether this configuration asks for plain files; a broken one does not."""
    try:
        if config.get_alembic_option("script_location") == ENVIRONMENT:
            return True
        return str(config.get_alembic_option("plain_files")).strip().lower() in SWITCHED_ON
    except Exception:  # noqa: BLE001 - Alembic itself then says what is wrong with it
        return False
