#!/usr/bin/env bash
# Finds or makes a Rust compiler for wasm32-wasip2 and prints its path.
#
# In this order: $TAFFRAIL_WASM_RUSTC, the ordinary rustc, a compiler this
# script made earlier, the ordinary rustc after `rustup target add`, and last a
# compiler made from Debian packages under the user's cache, for machines that
# reach a Debian mirror and a crate registry but not Rust's own downloads.
set -euo pipefail

readonly target=wasm32-wasip2
readonly private=${XDG_CACHE_HOME:-$HOME/.cache}/taffrail/rust-wasm
readonly marker=complete
readonly rustup_limit=60s
readonly unmet="run \`rustup target add $target\` on a machine that can, or set \
TAFFRAIL_WASM_RUSTC to a rustc that has the target"

main() {
    if [[ -n ${TAFFRAIL_WASM_RUSTC:-} ]]; then
        has_target "$TAFFRAIL_WASM_RUSTC" ||
            die "TAFFRAIL_WASM_RUSTC is $TAFFRAIL_WASM_RUSTC, which is no rustc with a standard library for $target"
        echo "$TAFFRAIL_WASM_RUSTC"
    elif has_target rustc; then
        command -v rustc
    elif is_complete; then
        echo "$private/rustc"
    elif add_with_rustup; then
        command -v rustc
    else
        make_private >&2
        echo "$private/rustc"
    fi
}

say() {
    echo "toolchain.sh: $*" >&2
}

die() {
    say "$*"
    exit 1
}

has_target() {
    local sysroot
    sysroot=$("$1" --print sysroot 2>/dev/null) && [[ -d $sysroot/lib/rustlib/$target ]]
}

# The linkers are links into the ordinary toolchain, which may be gone.
is_complete() {
    [[ -e $private/$marker ]] && "$private/rustc" --version >/dev/null 2>&1 &&
        [[ -x $(linker_dir "$private")/rust-lld && -x $(linker_dir "$private")/wasm-component-ld ]]
}

add_with_rustup() {
    local limit=(env)
    command -v rustup >/dev/null || return 1
    command -v timeout >/dev/null && limit=(timeout "$rustup_limit")
    say "asking rustup for $target"
    "${limit[@]}" rustup target add "$target" >/dev/null 2>&1 && has_target rustc && return
    say "rustup cannot fetch $target here"
    return 1
}

make_private() {
    check_prerequisites
    mkdir -p "$(dirname "$private")"
    exec 9>"$private.lock"
    if ! flock --nonblock 9; then
        say "another build is making a compiler; waiting for it"
        flock 9
    fi
    if is_complete; then
        return
    fi

    say "making a compiler in $private; this takes a few minutes"
    work=$private.partial
    rm -rf "$work"
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/{apt,debs,std}
    fetch_packages
    unpack
    add_linkers
    build_std
    prune
    try
    touch "$work/$marker"
    rm -rf "$private"
    mv "$work" "$private"
}

check_prerequisites() {
    local tool
    for tool in apt-get dpkg-deb; do
        command -v "$tool" >/dev/null ||
            die "no rustc has $target, and without $tool none can be made from Debian packages: $unmet"
    done
    for tool in cargo rustc cc flock; do
        command -v "$tool" >/dev/null || die "$tool is needed to make a compiler for $target: install it, or $unmet"
    done
    for tool in rust-lld wasm-component-ld; do
        [[ -x $(ordinary_linker_dir)/$tool ]] ||
            die "$tool is not in $(ordinary_linker_dir), where Rust's own toolchains have it: install Rust with rustup, or $unmet"
    done
}

# The system's package lists may be missing or out of date, and refreshing them
# would take root: lists of our own are the second try.
fetch_packages() {
    say "downloading Debian packages"
    download 2>/dev/null && return
    say "fetching package lists first"
    apt_get update || true
    download || die "apt-get cannot download the packages rustc-web, rust-web-src and wasi-libc: $unmet"
}

# Not `apt-get download`: an installation brings the libraries that the
# compiler needs and the machine lacks.
download() {
    apt_get --yes --download-only --reinstall --no-install-recommends \
        install rustc-web rust-web-src wasi-libc
}

apt_get() {
    local options=(-o Debug::NoLocking=1 -o APT::Sandbox::User=root
        -o "Dir::Cache=$work/apt" -o "Dir::Cache::archives=$work/debs")
    if [[ $1 == update || -d $work/apt/lists ]]; then
        mkdir -p "$work/apt/lists/partial"
        options+=(-o "Dir::State::lists=$work/apt/lists")
    fi
    mkdir -p "$work/debs/partial"
    apt-get -qq "${options[@]}" "$@"
}

unpack() {
    local package driver
    for package in "$work"/debs/*.deb; do
        dpkg-deb --extract "$package" "$work"
    done
    driver=$(find "$work/usr/lib" -name 'librustc_driver-*.so' -print -quit)
    [[ -x $work/usr/bin/rustc && -n $driver ]] ||
        die "the package rustc-web holds no compiler in the usual place: $unmet"

    # Found through $0, since the whole directory moves once it is complete.
    local libraries
    libraries=$(basename "$(dirname "$driver")")
    cat >"$work/rustc" <<WRAPPER
#!/bin/sh
root=\${0%/*}
LD_LIBRARY_PATH=\$root/usr/lib/$libraries:\$root/lib/$libraries exec "\$root/usr/bin/rustc" "\$@"
WRAPPER
    chmod +x "$work/rustc"
    say "unpacked $("$work/rustc" --version)"
}

linker_dir() {
    echo "$1/usr/lib/rustlib/$(host)/bin"
}

ordinary_linker_dir() {
    echo "$(rustc --print sysroot)/lib/rustlib/$(host)/bin"
}

host() {
    rustc -vV | sed -n 's/^host: //p'
}

# Links, not copies: rust-lld looks for its libraries beside itself.
add_linkers() {
    mkdir -p "$(linker_dir "$work")"
    ln -sf "$(ordinary_linker_dir)"/{rust-lld,wasm-component-ld} "$(linker_dir "$work")"
}

# Bitcode is embedded because guests built with `lto` need it in std too, and
# the path is remapped because it shows in the messages of panics inside std.
build_std() {
    local lib=$work/usr/lib/rustlib/$target/lib
    mkdir -p "$lib/self-contained"
    cp "$work"/usr/lib/wasm32-wasi/{libc.a,crt1-command.o,crt1-reactor.o} "$lib/self-contained"

    say "compiling the standard library for $target"
    cd "$work/std"
    mkdir src
    touch src/lib.rs
    cat >Cargo.toml <<'MANIFEST'
[package]
name = "only-std"
edition = "2021"

[profile.release]
panic = "abort"

[workspace]
MANIFEST
    env -u CARGO_ENCODED_RUSTFLAGS RUSTC="$work/rustc" RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER='' \
        CARGO_TARGET_DIR="$work/std/target" \
        RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$work/usr/lib/rustlib/src/rust=/rustc" \
        cargo build --quiet --release -Zbuild-std=std,panic_abort --target "$target"
    rm -f target/$target/release/deps/libonly_std-*
    cp target/$target/release/deps/lib*.rlib "$lib"
}

prune() {
    cd "$work"
    rm -rf apt debs std usr/src usr/lib/rustlib/src usr/lib/wasm32-wasi usr/share usr/bin/rustdoc
}

try() {
    echo 'pub fn greet() { println!("hello"); }' |
        "$work/rustc" --crate-name try --crate-type cdylib --edition 2021 --target "$target" -o "$work/try.wasm" - ||
        die "the new compiler cannot build a library for $target"
    rm "$work/try.wasm"
}

main
