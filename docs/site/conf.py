# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings for the documentation site (docs/site/build.sh)."""

from __future__ import annotations

from typing import Any

from docutils import nodes

project = "commitlog.kafka"
author = copyright = "The commitlog.kafka contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["site"]
myst_heading_anchors = 4
html_theme = "sphinx_ansible_theme"
html_title = project
html_show_sphinx = False
# Source files that the pages link to are not part of the site.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
nitpicky = False

# Pages of Ansible's own documentation that generated pages refer to, known without asking for its inventory.
ANSIBLES_PAGES = {
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def to_ansibles_page(_app: Any, _environment: Any, wanted: Any, shown: Any) -> nodes.reference | None:
    """The link to a page of Ansible's; every other reference that leads nowhere stays an error."""
    page = ANSIBLES_PAGES.get(wanted["reftarget"])
    if page is None:
        return None
    return nodes.reference("", "", shown, refuri=f"https://docs.ansible.com/ansible/latest/{page}", internal=False)


def setup(app: Any) -> None:
    app.connect("missing-reference", to_ansibles_page)
