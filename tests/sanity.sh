#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ansible-test sanity, units and integration, galaxy-importer, antsibull-docs and antsibull-changelog, on a copy of the collection in the place
# where ansible-test insists on finding it: build/ansible_collections/commitlog/kafka. ANSIBLE_CORE=2.17 asks another line of ansible-core,
# in an environment and a copy of its own.
# usage: tests/sanity.sh [sanity|units|integration|project|docs|importer|changelog|remake-changelog ...]   (sanity without an argument)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-$(command -v python3)}
core=${ANSIBLE_CORE:-}
tools=$PWD/build/sanity-venv$core
copy=$PWD/build${core:+/core-$core}/ansible_collections/commitlog/kafka
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# What the environment is made of: the pinned tools, or one line of ansible-core with what the project's own tests need.
ingredients() {
  [ -n "$core" ] || { cat requirements-sanity.txt && return; }
  sed -n "s/^\(ansible-core==${core//./[.]}[.].*\)/\1/p" requirements-core.txt | grep . ||
    { echo "ANSIBLE_CORE: '$core' is not known; allowed are $(sed -n 's/^ansible-core==\([0-9]*[.][0-9]*\)[.].*/\1/p' requirements-core.txt | paste -sd ' ')" >&2; return 1; }
  grep -E '^(kafka-python|kazoo|pytest|pytest-timeout|pytest-xdist|hypothesis|PyYAML|Jinja2)==' requirements-dev.txt
}

wanted=$(ingredients)
if [ ! -x "$tools/bin/ansible-test" ] || [ "$wanted" != "$(cat "$tools/requirements.txt" 2>/dev/null)" ]; then
  rm -rf "$tools"
  "$python" -m venv "$tools"
  echo "$wanted" | "$tools/bin/pip" install -q --disable-pip-version-check -r /dev/stdin
  echo "$wanted" >"$tools/requirements.txt"
fi
export PATH=$tools/bin:$PATH

# Only what the artifact would hold, and the tests; as a git repository, by which ansible-test lists files.
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z -- changelogs docs galaxy.yml meta playbooks plugins roles README.md CHANGELOG.md tests/unit tests/sanity tests/integration |
  xargs -0 cp --parents -t "$copy" 2>/dev/null || true
git -C "$copy" init -q
git -C "$copy" add -A

# ansible-test downloads get-pip.py to make its virtual environments. Where its host cannot be reached, pip's own wheel, from the
# package index, does the same: it can install itself.
prime_pip() {
  local cache=$HOME/.ansible/test/cache wanted script
  wanted=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$tools"/lib/python*/site-packages/ansible_test/_internal/python_requirements.py | head -n 1)
  wanted=${wanted//./_}
  script=$cache/get_pip_$wanted.py
  [ -s "$script" ] && return
  mkdir -p "$cache"
  pip download -q --disable-pip-version-check --no-deps --dest "$cache" "pip==${wanted//_/.}"
  cat >"$script" <<'PY'
import glob, os, runpy, sys
here = os.path.dirname(os.path.abspath(__file__))
version = os.path.basename(__file__)[len("get_pip_"):-len(".py")].replace("_", ".")
sys.path.insert(0, glob.glob(os.path.join(here, "pip-%s-*.whl" % version))[0])
sys.argv = ["pip", "install", "--find-links", here] + [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
PY
}

# The release that is being prepared, from its fragments, under the date that it has.
remake_changelog() {
  local date
  date=$(sed -n "s/^    release_date: '\(.*\)'/\1/p" changelogs/changelog.yaml | tail -n 1)
  antsibull-changelog release --refresh --reload-plugins --update-existing --date "$date"
}

run() {
  case $1 in
    sanity) prime_pip && cd "$copy" && ansible-test sanity --color no --python "$version" ${SANITY_ARGS:-} ;;
    units)
      # property_errors reads the broker's definitions, which the artifact has in its wheel.
      git ls-files -z -- broker_py/src | xargs -0 cp --parents -t "$copy"
      prime_pip && cd "$copy" && ansible-test units --color no --venv --python "$version"
      ;;
    integration)
      # The cluster is started outside, by the project's own tools, and told to the targets.
      prime_pip && cd "$copy" &&
        "$root/.venv/bin/python" "$root/tests/cluster/serve.py" tests/integration/integration_config.yml \
          ansible-test integration --color no --python "$version" ${INTEGRATION_ARGS:-}
      ;;
    project)
      # The project's own tests of plugins, roles and playbooks, and the modules against brokers, with this ansible-core.
      pip install -q --disable-pip-version-check --editable "$root/broker_py[tools]" &&
        cd "$root" && python -m pytest -q -p no:cacheprovider ${PROJECT_TESTS:-tests/unit tests/ansible tests/cluster}
      ;;
    docs) cd "$copy" && antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck . ;;
    changelog)
      # CHANGELOG.md and changelog.yaml are made of the fragments (make changelog), so making them again changes nothing.
      cd "$copy" && antsibull-changelog lint && remake_changelog && git diff --exit-code -- CHANGELOG.md changelogs ||
        { echo "the changelog is not what its fragments say: make changelog" >&2; return 1; }
      ;;
    remake-changelog) cd "$copy" && remake_changelog && cp CHANGELOG.md "$root/" && cp changelogs/changelog.yaml "$root/changelogs/" ;;
    importer)
      # The importer insists on an address, and the project has no public one yet: the copy gets one, so that the rest is judged.
      grep -q '^repository:' "$copy/galaxy.yml" || echo 'repository: https://example.invalid/commitlog/kafka' >>"$copy/galaxy.yml"
      cd "$copy" && ansible-galaxy collection build --force --output-path "$copy/../../../artifact" >/dev/null
      cd "$copy/../../../artifact" && python -m galaxy_importer.main "$(ls -t ./*.tar.gz | head -n 1)"
      ;;
    *) echo "unknown: $1" >&2 && return 2 ;;
  esac
}

failed=0
for step in "${@:-sanity}"; do
  echo "== $step"
  (run "$step") || { failed=1; echo "== $step failed"; }
done
exit $failed
