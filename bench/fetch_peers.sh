#!/usr/bin/env bash
# bench/fetch_peers.sh: the libraries of DuckDB and ClickHouse (chDB) into build/peers/, from the npm packages that bench/peers.lock pins.
# What is there already and whole is not fetched again. SQLite and RocksDB come with Debian: libsqlite3-0, librocksdb-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
out=build/peers
mkdir -p "$out"
command -v npm >/dev/null || { echo "$0: npm is missing (Debian: apt-get install npm)" >&2; exit 1; }

while read -r package version integrity library; do
  case $package in '' | '#'*) continue ;; esac
  if [ -e "$out/$library" ] && [ "$(cat "$out/$library.integrity" 2>/dev/null)" = "$integrity" ]; then
    echo "$library: there already ($package $version)"
    continue
  fi
  echo "$library: fetching $package $version"
  folder=$(mktemp -d "$out/fetch.XXXXXX")
  archive=$(npm pack --silent --pack-destination "$folder" "$package@$version" 2>/dev/null | tail -1)
  found=sha512-$(openssl dgst -sha512 -binary "$folder/$archive" | base64 -w0)
  if [ "$found" != "$integrity" ]; then
    echo "$0: $package $version has the checksum $found; bench/peers.lock says $integrity" >&2
    rm -rf "$folder"
    exit 1
  fi
  tar -xzf "$folder/$archive" -C "$folder" "package/$library"
  mv "$folder/package/$library" "$out/$library"
  echo "$integrity" >"$out/$library.integrity"
  rm -rf "$folder"
done <bench/peers.lock
