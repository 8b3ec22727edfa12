"""Flask and Django, with the code of their pages and the real packages."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.pages import page

if TYPE_CHECKING:
    from support.project import Project

WIDGETS = """\
description = "Add widgets"


def upgrade(db):
    from sqlalchemy import text

    db.execute(text("CREATE TABLE widgets (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL)"))
    db.execute(text("INSERT INTO widgets (name) VALUES ('first')"))
    db.commit()
"""
BROKEN = """\
description = "Fail"


def upgrade(db):
    raise RuntimeError("not today")
"""


#: In place of the dots of the factory.
VIEW = """
    @app.get("/")
    def names():
        from sqlalchemy import create_engine, text

        engine = create_engine(os.environ["DATABASE_URL"])
        with engine.connect() as connection:
            found = list(connection.scalars(text("SELECT name FROM widgets")))
        engine.dispose()
        return found

"""


def code(name: str) -> list[str]:
    """What a page has of Python."""
    return re.findall(r"```python\n(.*?)```", page(name), re.DOTALL)


@pytest.fixture
def flask(project: Project) -> Project:
    """A project with the factory of the page, which lists what the migration has made."""
    project.write("001_add_widgets", WIDGETS)
    (factory,) = code("flask")
    text = factory.replace("    ...\n", VIEW)
    (project.path / "shop.py").write_text(f"import os\n{text}")
    return project


ASK_FLASK = """
    from shop import create_app
    print(create_app().test_client().get("/").json)
"""


def test_a_factory_of_flask_migrates_before_the_application_is_there(flask: Project) -> None:
    assert flask.python(ASK_FLASK, check=True).stdout == "['first']\n"
    assert flask.python(ASK_FLASK, check=True).stdout == "['first']\n"
    assert flask.eai("migrate", "status", "--check").returncode == 0


def test_a_command_of_flask_makes_the_application_and_migrates(flask: Project) -> None:
    command = ("-m", "flask", "--app", "shop", "routes")
    off = flask.program("python", *command, env={"BRIDGE_STARTUP": "off"}, check=True)
    assert "names" in off.stdout
    assert flask.eai("migrate", "status", "--check").returncode == 3
    flask.program("python", *command, check=True)
    assert flask.eai("migrate", "status", "--check").returncode == 0


def test_a_migration_that_fails_ends_the_start_of_flask(flask: Project) -> None:
    flask.write("002_fail", BROKEN)
    done = flask.python(ASK_FLASK)
    assert done.returncode == 1
    assert "002_fail failed" in done.stderr


@pytest.fixture
def django(project: Project) -> Project:
    """A project of Django's with the modules of the page, and a migration of each side."""
    pytest.importorskip("django")
    assert project.url is not None
    project.write("001_add_widgets", WIDGETS)
    wsgi, models = code("django")
    shop = project.path / "shop"
    (shop / "migrations").mkdir(parents=True)
    for name in ("", "migrations/"):
        (shop / name / "__init__.py").touch()
    (shop / "wsgi.py").write_text(wsgi)
    (shop / "models.py").write_text(
        f"{models}\n\nclass Note(models.Model):\n    id = models.BigAutoField(primary_key=True)\n"
    )
    url = project.url
    (shop / "settings.py").write_text(
        dedent(f"""\
            SECRET_KEY = "none"
            ALLOWED_HOSTS = ["*"]
            ROOT_URLCONF = "shop.urls"
            WSGI_APPLICATION = "shop.wsgi.application"
            INSTALLED_APPS = ["shop"]
            USE_TZ = True
            DATABASES = {{
                "default": {{
                    "ENGINE": "django.db.backends.postgresql",
                    "NAME": {url.database!r},
                    "USER": {url.username!r},
                    "PASSWORD": {url.password!r} or "",
                    "HOST": {url.host or url.query.get("host", "")!r},
                    "PORT": {str(url.port or url.query.get("port", ""))!r},
                }}
            }}
        """)
    )
    (shop / "urls.py").write_text(
        dedent("""\
            from django.http import JsonResponse
            from django.urls import path

            from shop.models import Widget


            def names(request):
                return JsonResponse(list(Widget.objects.values_list("name", flat=True)), safe=False)


            urlpatterns = [path("", names)]
        """)
    )
    (project.path / "manage.py").write_text(
        dedent("""\
            import os
            import sys

            from django.core.management import execute_from_command_line

            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
            execute_from_command_line(sys.argv)
        """)
    )
    return project


#: As a server does: it imports the application, and calls it.
ASK_DJANGO = """
    from wsgiref.util import setup_testing_defaults
    from shop.wsgi import application
    environ = {}
    setup_testing_defaults(environ)
    print(b"".join(application(environ, lambda *about: None)).decode())
"""


def test_what_serves_a_project_of_django_migrates(django: Project) -> None:
    assert django.python(ASK_DJANGO, check=True).stdout == '["first"]\n'
    assert django.eai("migrate", "status", "--check").returncode == 0


def test_the_commands_of_manage_py_do_not_migrate(django: Project) -> None:
    """And bridge's table has to be named where Django's is there first."""
    django.program("python", "manage.py", "makemigrations", "shop", check=True)
    django.program("python", "manage.py", "migrate", check=True)
    refused = django.eai("migrate")
    assert refused.returncode == 4
    assert "ledger_table = schema_migrations" in refused.stderr
    (lines,) = re.findall(r"```ini\n\[alembic\]\n(.*?)```", page("django"), re.DOTALL)
    django.ini(extra=lines)
    assert django.eai("migrate", "status", "--check").returncode == 3
    assert django.python(ASK_DJANGO, check=True).stdout == '["first"]\n'


@pytest.mark.long
def test_both_go_on_beside_each_other_and_each_keeps_its_own_table(django: Project) -> None:
    assert django.python(ASK_DJANGO, check=True).stdout == '["first"]\n'
    made = django.program("python", "manage.py", "makemigrations", "shop", check=True)
    assert "Create model Note" in made.stdout
    # The table is bridge's: Django only notes the model, and makes nothing.
    told = django.program("python", "manage.py", "sqlmigrate", "shop", "0001", check=True).stdout
    assert 'CREATE TABLE "shop_note"' in told
    assert 'CREATE TABLE "widgets"' not in told
    django.program("python", "manage.py", "migrate", check=True)
    django.write("002_add_a_widget", WIDGETS.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    assert django.python(ASK_DJANGO, check=True).stdout == '["first", "first"]\n'
    again = django.program("python", "manage.py", "migrate", check=True)
    assert "No migrations to apply" in again.stdout
    assert django.eai("migrate", "status", "--check").returncode == 0
