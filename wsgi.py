"""The application for a WSGI server: `gunicorn wsgi:app`."""

import os
import sys

from app import create_app
from app.config import read_settings
from app.core.errors import SettingsError
from app.log import configure_logging

try:
    settings = read_settings(os.environ)
except SettingsError as error:
    sys.stderr.write(f"{error.detail}\n")
    raise SystemExit(2) from None

configure_logging(settings)
app = create_app(settings)
