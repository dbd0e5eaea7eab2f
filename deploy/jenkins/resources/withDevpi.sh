#!/bin/sh
# The shell of the pipeline step withDevpi: prints the variables of an index, one NAME=value a line.
# Arguments come as variables, so that nothing of them is ever read as code.
set -eu
set -- --format jenkins --workspace "$WORKSPACE"
if [ -n "${WITH_DEVPI_SERVER:-}" ]; then set -- "$@" --server "$WITH_DEVPI_SERVER"; fi
if [ -n "${WITH_DEVPI_CA_BUNDLE:-}" ]; then set -- "$@" --ca-bundle "$WITH_DEVPI_CA_BUNDLE"; fi
if [ -n "${WITH_DEVPI_LOGIN:-}" ]; then set -- "$@" --login; fi
exec "${CHEESESHOP:-cheeseshop}" env "$@" -- "$WITH_DEVPI_INDEX"
