#!/usr/bin/env bash
# What action.yml runs: `rehearse check` with the action's inputs, every report, and the step's outputs. The exit
# status is that of rehearse.
set -euo pipefail

# One argument a line; what is in a line is never read as shell.
lines() {
  local line
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line%$'\r'}
    if [[ -n ${line//[[:space:]]/} ]]; then
      arguments+=("$1$line")
    fi
  done <<< "$2"
}

flag() {
  case "$2" in
    true) arguments+=("$1") ;;
    false | "") ;;
    *)
      echo "::error title=rehearse::$1 takes true or false"
      exit 2
      ;;
  esac
}

reports=${INPUT_REPORTS:-rehearse-report}
mkdir -p "$reports"
arguments=(check --format github)
# Values are joined with =, so that none can be taken for a flag of its own.
[[ -z ${INPUT_CONFIG:-} ]] || arguments+=("--config=$INPUT_CONFIG")
[[ -z ${INPUT_FAIL_ON:-} ]] || arguments+=("--fail-on=$INPUT_FAIL_ON")
[[ -z ${INPUT_REQUIRE_COVERAGE:-} ]] || arguments+=("--require-coverage=$INPUT_REQUIRE_COVERAGE")
[[ -z ${INPUT_MIN_JOURNALS:-} ]] || arguments+=("--min-journals=$INPUT_MIN_JOURNALS")
flag --report-only "${INPUT_REPORT_ONLY:-}"
flag --prove "${INPUT_PROVE:-}"
flag --redact "${INPUT_REDACT:-}"
declare -A file=([junit]=rehearse.xml [sarif]=rehearse.sarif [html]=rehearse.html [json]=rehearse.json [markdown]=rehearse.md)
for format in junit sarif html json markdown; do
  # A report of an earlier run must not stand for this one.
  rm -f "$reports/${file[$format]}"
  arguments+=(--report "$format=$reports/${file[$format]}")
done
lines --against= "${INPUT_AGAINST:-}"
lines "" "${INPUT_ARGS:-}"
arguments+=(--)
lines "" "${INPUT_JOURNALS:-}"

status=0
rehearse "${arguments[@]}" || status=$?

output() { printf '%s=%s\n' "$1" "$2" >> "${GITHUB_OUTPUT:-/dev/null}"; }
output exit-status "$status"
for format in junit sarif html json markdown; do
  [[ ! -s $reports/${file[$format]} ]] || output "$format" "$reports/${file[$format]}"
done
# A run that could not be made leaves no report that can be read.
json=$reports/${file[json]}
if ((status != 2)) && jq --exit-status . "$json" > /dev/null 2>&1; then
  output status "$(jq --raw-output .gate.outcome "$json")"
  output checked "$(jq .summary.checked "$json")"
  output failing "$(jq .summary.failing "$json")"
else
  output status error
  echo "::error title=rehearse::the check could not be made (exit status $status); the log of this step says why"
fi
exit "$status"
