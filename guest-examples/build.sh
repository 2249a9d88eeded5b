#!/usr/bin/env bash
# Builds the Rust guests of one folder to components.
#
# usage: build.sh [DIR]    DIR holds a Cargo.toml; all Rust examples by default
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" >/dev/null && pwd)
dir=${1:-$here/rust}

if [[ $# -gt 1 ]]; then
    echo "usage: build.sh [DIR]" >&2
    exit 2
elif [[ ! -f $dir/Cargo.toml ]]; then
    echo "build.sh: $dir holds no Cargo.toml; name the folder of a guest or of a workspace of guests" >&2
    exit 2
fi

# A cargo that runs this script, for a test say, exports settings meant for the
# host. Only what says how to reach a registry is wanted here too.
for name in $(compgen -e); do
    case $name in
    CARGO_HOME | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTR* | CARGO_SOURCE_*) ;;
    CARGO | CARGO_* | RUSTC | RUSTC_* | RUSTFLAGS | RUSTUP_TOOLCHAIN) unset "$name" ;;
    esac
done

# Cargo looks for .cargo/config.toml from the working directory upwards, not
# from the manifest.
cd "$dir"
RUSTC=$("$here/toolchain.sh")
export RUSTC
exec cargo build --release --target wasm32-wasip2 --manifest-path Cargo.toml
