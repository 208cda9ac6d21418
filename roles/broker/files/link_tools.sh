#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes bin/NAME.sh of the Kafka directory lead to the programs of those names, and removes what leads to programs that are no more.
# Prints each link that it changes (or, with `check`, would change).
#   link_tools.sh KAFKA_HOME commitlog|apache link|check
set -eu
cd "$1/bin"
case $2 in
commitlog) programs=../libs/venv/bin ;;
apache) programs=../apache/current/bin ;;
esac
for program in "$programs"/*.sh; do
    [ -e "$program" ] || continue
    name=${program##*/}
    # Kafka's scripts look for their jars beside themselves as they were called, so a link to one would not do.
    [ "$2" = commitlog ] || program=../apache/run-tool.sh
    [ "$(readlink "$name" 2>/dev/null || true)" = "$program" ] && continue
    echo "$name"
    [ "$3" = check ] || ln -sfn "$program" "$name"
done
for name in *.sh; do
    if { [ -L "$name" ] || [ -e "$name" ]; } && [ ! -e "$programs/$name" ]; then
        echo "$name"
        [ "$3" = check ] || rm -f "$name"
    fi
done
