# SPDX-License-Identifier: Apache-2.0
"""Sphinx's settings for the documentation site (docs/site/build.sh)."""

project = "commitlog.kafka"
author = copyright = "The commitlog.kafka contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["site"]
myst_heading_anchors = 4
html_theme = "sphinx_ansible_theme"
html_title = project
html_show_sphinx = False
# Source files that the pages link to are not part of the site; Ansible's own pages are not asked for.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]
nitpicky = False
