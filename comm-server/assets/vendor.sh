#!/bin/sh
# Fetches what the console needs from npm into assets/vendor/: uPlot (the plot), with its licence. The registry's
# archives are checked against the digests below before anything is unpacked.
# Run it only to take a new release: set version and digest (sha256sum of `npm pack NAME@VERSION`), run, look at
# the console, commit.
set -eu

cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# take NAME VERSION SHA256 FILE...
take() {
    name=$1 version=$2 digest=$3
    shift 3
    archive=$(cd "$scratch" && npm pack --silent "$name@$version")
    printf '%s  %s\n' "$digest" "$scratch/$archive" | sha256sum --check --quiet
    tar -xzf "$scratch/$archive" -C "$scratch"
    mkdir -p vendor
    for file in "$@"; do
        cp "$scratch/package/$file" "vendor/$(basename "$file")"
    done
    cp "$scratch/package/LICENSE" "vendor/LICENSE-$name"
    rm -rf "$scratch/package"
}

take uplot 1.6.32 4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d dist/uPlot.iife.min.js dist/uPlot.min.css
