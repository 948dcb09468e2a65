#!/usr/bin/env bash
# Builds the matrix, starts the servers, and runs all rows, or those whose names contain an argument.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cargo build --locked --quiet
target=$(cargo metadata --locked --format-version 1 --no-deps |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
bash servers.sh "$target/debug/greenloop-compat" cargo test --locked --quiet --test matrix -- "$@"
