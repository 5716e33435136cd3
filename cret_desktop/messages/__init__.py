"""Sentences for people as codes with parameters, and the one catalog that words them in each language.

`Message` is the value that every layer raises, stores and sends. `render` words it where a person reads it: in the
window, the terminal, a log. `<language>.toml` beside this file holds the wording; all languages hold the same codes.

This package imports nothing of the app, and never decides which language is spoken.
"""

from cret_desktop.messages.catalog import SOURCE, codes, languages, placeholders, render, template
from cret_desktop.messages.lists import all_of, clauses, enumerated
from cret_desktop.messages.message import CODE, Message, Param
from cret_desktop.messages.recognition import recognise

__all__ = [
    "CODE",
    "SOURCE",
    "Message",
    "Param",
    "all_of",
    "clauses",
    "codes",
    "enumerated",
    "languages",
    "placeholders",
    "recognise",
    "render",
    "template",
]
