#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the image of a "VM" and prints its name. The name holds a digest of vms/image, so a changed image is another one and an unchanged
# one is not built again.
#   VM_BASE=auto|registry|mmdebstrap    where Debian 12 comes from; auto takes a registry that answers, else mmdebstrap
# With the argument `installed` it is the image of a host that has the packages already.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
registry_image=debian:12-slim
local_image=commitlog-vm-base:bookworm
image=commitlog-vm:$(cd "$here/image" && cat Dockerfile vm-identity vm-identity.service | sha256sum | cut -c1-12)

say() { echo "build-image: $*" >&2; }

have() { docker image inspect "$1" >/dev/null 2>&1; }

bootstrap() {
    have "$local_image" && return
    if ! command -v mmdebstrap >/dev/null; then
        if [ "$(id -u)" != 0 ]; then
            say "no registry answers and mmdebstrap is missing; install it: apt-get install mmdebstrap"
            exit 1
        fi
        say "installing mmdebstrap"
        apt-get update >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap >&2
    fi
    say "making Debian 12 with mmdebstrap"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    mmdebstrap --variant=minbase --include=ca-certificates --components=main \
        --aptopt='Acquire::Languages "none"' bookworm "$work/base.tar" >&2
    docker import "$work/base.tar" "$local_image" >&2
}

if ! have "$image"; then
    base=$registry_image
    case ${VM_BASE:-auto} in
    registry) docker pull "$registry_image" >&2 ;;
    mmdebstrap) bootstrap && base=$local_image ;;
    auto)
        if have "$local_image"; then
            base=$local_image
        elif ! have "$registry_image" && ! timeout 60 docker pull "$registry_image" >&2; then
            say "no registry answers"
            bootstrap
            base=$local_image
        fi
        ;;
    *)
        say "VM_BASE: '$VM_BASE' is not known; allowed are auto, registry, mmdebstrap"
        exit 2
        ;;
    esac
    say "building $image from $base"
    DOCKER_BUILDKIT=0 docker build --build-arg BASE="$base" -t "$image" "$here/image" >&2
fi

if [ "${1:-}" = installed ]; then
    installed=commitlog-vm-installed:$({ echo "$image" && cat "$here/image/Dockerfile.installed"; } | sha256sum | cut -c1-12)
    if ! have "$installed"; then
        say "building $installed"
        DOCKER_BUILDKIT=0 docker build --build-arg BASE="$image" -t "$installed" -f "$here/image/Dockerfile.installed" "$here/image" >&2
    fi
    image=$installed
fi
echo "$image"
