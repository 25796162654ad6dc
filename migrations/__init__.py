"""Migrations of the database; a package only so that it is installed with the rest."""
