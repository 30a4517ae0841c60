#!/usr/bin/env bash
# Builds the page: the codec as a WebAssembly module, the files of web/page, and the built-in model
# beside them, its tables apart from its learned decoder.
#
#   web/build.sh [OUT]     OUT is web/dist if not given
#
# It takes the first of two toolchains that is there, or the one that FLEXTOK_WEB_TOOLCHAIN names:
#   rustup   cargo and rustc of the path, with `rustup target add wasm32-unknown-unknown`
#   debian   Debian's packages rustc-web, cargo-web, rust-web-src and lld, which build the standard library as well
# It also needs node and npm. What it makes is the same, byte for byte, wherever it is made by the same toolchain.
# FLEXTOK_WEB_NAMES=1 keeps the names of functions, for profilers.
set -euo pipefail
out=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
out=${out:-$root/web/dist}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
triple=wasm32-unknown-unknown

say() { printf 'web: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Whether the compiler $1 has the standard library for the browser.
has_std() { compgen -G "$("$1" --print sysroot)/lib/rustlib/$triple/lib/libstd-*.rlib" >/dev/null; }
# Where the source of the compiler $1's standard library is.
std_source() { echo "$("$1" --print sysroot)/lib/rustlib/src/rust/library"; }

choose_toolchain() {
    case "${FLEXTOK_WEB_TOOLCHAIN:-}" in
        rustup | debian)
            toolchain=$FLEXTOK_WEB_TOOLCHAIN
            return
            ;;
        "") ;;
        *) fail "FLEXTOK_WEB_TOOLCHAIN is $FLEXTOK_WEB_TOOLCHAIN; allowed: rustup, debian" ;;
    esac
    if command -v rustc cargo >/dev/null && has_std rustc; then
        toolchain=rustup
    elif [ -x /usr/bin/rustc ] && [ -d "$(std_source /usr/bin/rustc)" ] && command -v wasm-ld >/dev/null; then
        toolchain=debian
    else
        fail "no Rust for $triple: run 'rustup target add $triple', or on Debian" \
            "'apt-get install rustc-web cargo-web rust-web-src lld'"
    fi
}

# Sets `cargo`, `options` and `flags`.
use_toolchain() {
    local rustc=rustc
    cargo=(cargo)
    options=()
    flags=(-C target-feature=+simd128)
    if [ "$toolchain" = debian ]; then
        rustc=/usr/bin/rustc
        cargo=(env RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo)
        options=(-Z build-std=std,panic_abort)
        flags+=(-C linker=wasm-ld)
    fi
    say "$("$rustc" --version), the way of $toolchain"
    # Where things stand on this machine must not show in what is made of them.
    flags+=("--remap-path-prefix=$root=/flextok" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
    flags+=("--remap-path-prefix=$(realpath -m "$(std_source "$rustc")")=/rust/library")
}

build_module() {
    say "building the module"
    local separated
    separated=$(printf '%s\x1f' "${flags[@]}")
    CARGO_ENCODED_RUSTFLAGS=${separated%$'\x1f'} "${cargo[@]}" build --locked --quiet -p flextok-web \
        --profile web --target "$triple" --target-dir "$target/web-$toolchain" "${options[@]}"
    module=$target/web-$toolchain/$triple/web/flextok_web.wasm
}

# The programs of web/tools, installed where they or their versions are not yet there.
install_tools() {
    say "installing the tools"
    "${cargo[@]}" build --locked --quiet --release --manifest-path web/tools/Cargo.toml --target-dir "$target/web-$toolchain"
    bindgen=$target/web-$toolchain/release/flextok-bindgen
    local npm=$target/web-npm
    if ! cmp -s web/tools/package-lock.json "$npm/installed.json"; then
        mkdir -p "$npm"
        cp web/tools/package.json web/tools/package-lock.json "$npm/"
        (cd "$npm" && npm ci --silent --no-audit --no-fund)
        cp web/tools/package-lock.json "$npm/installed.json"
    fi
    wasm_opt=$npm/node_modules/binaryen/bin/wasm-opt
}

# Puts the model into $stage in two parts, so that the page can start before the larger one has come.
split_model() {
    say "splitting the model"
    "${cargo[@]}" run --locked --quiet -p flextok-models --example split --target-dir "$target/web-$toolchain" -- "$stage"
}

# Puts file $1 into the output as $2, whole or not at all.
put() {
    cp "$1" "$out/.$2.new"
    mv "$out/.$2.new" "$out/$2"
}

command -v node npm >/dev/null || fail "node and npm are needed: on Debian 'apt-get install nodejs npm'"
choose_toolchain
use_toolchain
build_module
install_tools

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
split_model
"$bindgen" "$module" "$stage"
say "optimising"
names=()
[ -z "${FLEXTOK_WEB_NAMES:-}" ] || names=(-g)
node "$wasm_opt" -O3 "${names[@]}" --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int \
    --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
    "$stage/flextok_bg.wasm" -o "$stage/optimised.wasm"

mkdir -p "$out"
put "$stage/optimised.wasm" flextok_bg.wasm
put "$stage/flextok.js" flextok.js
put "$stage/flextok.d.ts" flextok.d.ts
put "$stage/tables.safetensors" tables.safetensors
put "$stage/decoder.safetensors" decoder.safetensors
# What earlier builds left there would be embedded.
rm -f "$out/model.safetensors"
for file in web/page/*; do
    [ ! -f "$file" ] || put "$file" "$(basename "$file")"
done
say "flextok_bg.wasm: $(stat -c %s "$out/flextok_bg.wasm") bytes, $(gzip -9 -c "$out/flextok_bg.wasm" | wc -c) compressed"
say "the page is in $out"
