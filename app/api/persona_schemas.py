"""What the API answers about the persona, described."""

from marshmallow import fields, validate

from app.api.schema_fields import Shown, many, moment, number, text


def _cut(of: str) -> fields.Boolean:
    return fields.Boolean(metadata={"description": f"there, and false, where {of} are left out"})


class Info(Shown):
    """What the persona has, can do and feels."""

    file_tree = fields.Dict(
        required=True,
        metadata={"description": "a folder is `name/` with what it holds, a file is `file`"},
    )
    capabilities = text("what it can do, in words")
    current_emotional_state = fields.Dict(
        required=True, allow_none=True, metadata={"description": "null where none is known"}
    )
    persona_space = text("the name of the folder that holds its files")


class Files(Shown):
    """The names in a folder of the space."""

    directory = text()
    files = fields.List(fields.String(), required=True)
    complete = _cut("names")


class FileShown(Shown):
    """The text of a file."""

    file_path = text()
    content = text("what is no UTF-8 is replaced")
    complete = _cut("bytes beyond the first MiB")


class Item(Shown):
    """A file or folder of the space."""

    name = text()
    path = text("from the space on")
    type = text(validate=validate.OneOf(["file", "directory"]))
    size = number("bytes; 0 for a folder")
    modified = moment()


class Browsed(Shown):
    """What a folder of the space holds."""

    current_directory = text()
    items = many(Item)
    total = number("of the items here")
    complete = _cut("items")
