#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The documentation as HTML in build/site/html: a page for each module, plugin and role, and what is in docs/.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-$(command -v python3)}
tools=$PWD/build/docs-venv
source=$PWD/build/site/source

if ! cmp -s docs/requirements.txt "$tools/requirements.txt"; then
  rm -rf "$tools"
  "$python" -m venv "$tools"
  "$tools/bin/pip" install -q --disable-pip-version-check -r docs/requirements.txt
  cp docs/requirements.txt "$tools/requirements.txt"
fi
export PATH=$tools/bin:$PATH

rm -rf build/site
# antsibull-docs writes into no directory that others may write to.
mkdir -p -m 755 "$source/collection"
git ls-files -z -- docs | xargs -0 cp --parents -t "$source"
cp -r "$source/docs/." "$source" && rm -r "$source/docs"
cp docs/site/conf.py docs/site/index.md "$source"
# Pages in directories of their own, such as tutorials, where there are some.
for directory in "$source"/*/; do
  name=$(basename "$directory")
  case $name in collection | site) continue ;; esac
  ls "$directory"/*.md >/dev/null 2>&1 && printf '\n```{toctree}\n:caption: %s\n:glob:\n:maxdepth: 1\n\n%s/*\n```\n' "${name^}" "$name" >>"$source/index.md"
done
ANSIBLE_COLLECTIONS_PATH=$PWD/.collections antsibull-docs collection --use-current --squash-hierarchy --dest-dir "$source/collection" commitlog.kafka

sphinx-build -q --fail-on-warning --keep-going -b html "$source" build/site/html

# One page for each module and role, or something was left out without a word.
for page in $(cd plugins/modules && ls ./*.py); do
  [ -s "build/site/html/collection/$(basename "$page" .py)_module.html" ] || { echo "no page for the module $page" >&2; exit 1; }
done
for role in $(ls roles); do
  [ -s "build/site/html/collection/${role}_role.html" ] || { echo "no page for the role $role" >&2; exit 1; }
done
echo "build/site/html/index.html"
