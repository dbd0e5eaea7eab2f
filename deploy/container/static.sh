#!/bin/sh
# Builds the program as one static file, target/container/cheeseshop: `--release`, or `--profile NAME`.
#
# glibc is linked in. Its resolver reads files and asks DNS without loading anything; other services of
# nsswitch.conf are not to be had.
set -eu
cd "$(dirname "$0")/../.."
case "$1" in
--release) profile=release ;;
--profile) profile=$2 ;;
*) echo "usage: $0 --release | --profile NAME" >&2; exit 2 ;;
esac
target=$(uname -m)-unknown-linux-gnu
# A variable of this target's own: what runs while building stays as it is.
name=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_RUSTFLAGS
env "$name=-C target-feature=+crt-static" "${CARGO:-cargo}" build --locked \
    --package cheeseshop --bin cheeseshop --profile "$profile" --target "$target"
built=${CARGO_TARGET_DIR:-target}
mkdir -p target/container
cp "$built/$target/$profile/cheeseshop" target/container/cheeseshop
