"""Add the pages at the root of the repository to the site, and rewrite the links between them and docs/.

A hook of MkDocs (see mkdocs.yml), which by itself reads only docs/. README.md becomes the home page, ARCHITECTURE.md,
CONTRIBUTING.md and CHANGELOG.md become pages, and the licences become files. The links in the repository become links
to the same pages of the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent

# Maps a file of the repository to its page or file in the site. Files in docs/ keep their names.
ADDED = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "resources/licences/NOTICES.md": "licences/notices.md",
    "LICENSE": "licences/LICENSE.txt",
}
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each file of `ADDED` under its name in the site."""
    for source, target in ADDED.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page's Markdown with links to the site's pages."""
    return rewrite_links(markdown, page.file.src_uri)


def rewrite_links(markdown: str, page: str) -> str:
    """Return `markdown` with the repository's relative links as links of the site; `page` is its name in the site."""
    source = {target: source for source, target in ADDED.items()}.get(page, f"docs/{page}")

    def rewrite(link: re.Match[str]) -> str:
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        target = ADDED.get(linked) or linked.removeprefix("docs/")
        return f"]({posixpath.relpath(target, posixpath.dirname(page) or '.')}{link[2] or ''})"

    return LINK.sub(rewrite, markdown)
