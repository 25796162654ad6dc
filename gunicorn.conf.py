"""How gunicorn serves in this folder: as it does from an installed package."""

from app.api.gunicorn_config import *  # noqa: F403  gunicorn reads every name
