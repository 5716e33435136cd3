"""User-visible sentences as codes with parameters, and the one catalog that words them in each language.

`Message` is the value that every layer raises, stores and sends. `render` words it for display: in the window, the
terminal, a log. `<language>.toml` beside this file contains the wording; all languages have the same codes. This
package imports nothing of the app, and never chooses the language.
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
