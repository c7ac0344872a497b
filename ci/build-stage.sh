#!/usr/bin/env bash
# build-stage.sh FOLDER: what the Dockerfile's first stage does, in FOLDER and without an engine. What it builds is
# what is tested: from nothing but the files that it copies. The binary is FOLDER/src/rehearse; PROFILE=release builds
# it without link-time optimisation.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$1
unset CARGO_TARGET_DIR
here=
stages=0
while read -r instruction rest; do
  case "$instruction" in
    '' | '#'*) ;;
    FROM)
      stages=$((stages + 1))
      ((stages == 1)) || break
      ;;
    ARG)
      # A build argument: the environment's value where there is one, else the Dockerfile's.
      name=${rest%%=*}
      export "$name=${!name:-${rest#*=}}"
      ;;
    WORKDIR)
      here=$root$rest
      mkdir -p "$here"
      ;;
    COPY)
      read -ra names <<< "$rest"
      to=$here/${names[-1]}
      for from in "${names[@]::${#names[@]}-1}"; do
        if [[ -d $from ]]; then
          rm -rf "$to"
          mkdir -p "$to"
          cp -R "$from/." "$to"
        else
          cp "$from" "$to"
        fi
      done
      ;;
    RUN) (cd "$here" && sh -euc "$rest") ;;
    *)
      echo "build-stage.sh knows no $instruction" >&2
      exit 2
      ;;
  esac
done < Dockerfile
((stages == 2))
