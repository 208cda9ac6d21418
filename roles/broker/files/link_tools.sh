#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes bin/NAME.sh of the Kafka directory link to the virtual environment's programs of those names, and removes links to programs that
# are no more. Prints each link that it changes (or, with `check`, would change).
#   link_tools.sh KAFKA_HOME link|check
set -eu
cd "$1/bin"
for program in ../libs/venv/bin/*.sh; do
    name=${program##*/}
    [ -e "$program" ] || continue
    [ "$(readlink "$name" 2>/dev/null || true)" = "$program" ] && continue
    echo "$name"
    [ "$2" = check ] || ln -sfn "$program" "$name"
done
for link in *.sh; do
    if [ -L "$link" ] && [ ! -e "$link" ]; then
        echo "$link"
        [ "$2" = check ] || rm -f "$link"
    fi
done
