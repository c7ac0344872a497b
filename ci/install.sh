#!/usr/bin/env bash
# Puts rehearse on the PATH, unless it is there: the release's binary for this machine, or else cargo's build.
set -euo pipefail

if command -v rehearse > /dev/null; then
  rehearse --version
  exit 0
fi

version=${REHEARSE_VERSION:?}
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) target=x86_64-unknown-linux-gnu ;;
  Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-gnu ;;
  Darwin-arm64) target=aarch64-apple-darwin ;;
  Darwin-x86_64) target=x86_64-apple-darwin ;;
  *) target= ;;
esac

folder=$(mktemp -d)
archive="rehearse-$version-$target.tar.gz"
base="${GITHUB_SERVER_URL:-https://github.com}/${REHEARSE_REPOSITORY:-}/releases/download/v$version"
if [[ -n $target && -n ${REHEARSE_REPOSITORY:-} ]] &&
  curl --fail --silent --show-error --location --proto '=https' -o "$folder/$archive" "$base/$archive" &&
  curl --fail --silent --show-error --location --proto '=https' -o "$folder/$archive.sha256" "$base/$archive.sha256"; then
  # A binary that is not what was released must not run: no falling back from here.
  (cd "$folder" && if command -v sha256sum > /dev/null; then sha256sum --check "$archive.sha256"; else shasum -a 256 --check "$archive.sha256"; fi)
  tar -xzf "$folder/$archive" -C "$folder"
else
  cargo install --locked --profile dist --all-features --root "$folder" --version "$version" rehearsal
  mv "$folder/bin/rehearse" "$folder/rehearse"
fi
echo "$folder" >> "${GITHUB_PATH:?}"
"$folder/rehearse" --version
