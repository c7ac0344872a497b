#!/usr/bin/env bash
# pack.sh TARGET VERSION: an archive of what was built with the dist profile for TARGET, with completions, the man page
# and a checksum, in dist/.
set -euo pipefail
target=$1 version=$2
name="rehearse-$version-$target"
built="${CARGO_TARGET_DIR:-target}/$target/dist/rehearse"
[[ ! -f $built.exe ]] || built=$built.exe
folder="dist/$name"
mkdir -p "$folder/completions"
cp "$built" README.md LICENSE* "$folder/"
"$built" man > "$folder/rehearse.1"
for shell in bash zsh fish powershell elvish; do
  "$built" completions "$shell" > "$folder/completions/rehearse.$shell"
done
# The binary first and alone at the top, where the action looks for it.
tar -czf "dist/$name.tar.gz" -C "$folder" "$(basename "$built")" rehearse.1 completions README.md LICENSE-APACHE LICENSE-MIT LICENSE
(cd dist && if command -v sha256sum > /dev/null; then sha256sum "$name.tar.gz"; else shasum -a 256 "$name.tar.gz"; fi > "$name.tar.gz.sha256")
rm -r "$folder"
