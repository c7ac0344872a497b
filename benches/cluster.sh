#!/usr/bin/env bash
# What reading a cluster costs, beside plain curl of the same /query, on a real server.
#   benches/cluster.sh fill 100000   adds suspended invocations to the data in $REHEARSE_COST_DATA, 5000 at a time
#   benches/cluster.sh measure       starts the server on that data, and takes turns: curl, record, check
# Needs npm, curl and jq. The data stays, so that filling is not part of measuring.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${REHEARSE_COST_DATA:?names a directory}
rounds=${ROUNDS:-5}

if [ "$1" = fill ]; then
  for ((left = $2; left > 0; left -= 5000)); do
    REHEARSE_COST_DATA=$data REHEARSE_COST_INVOCATIONS=$((left < 5000 ? left : 5000)) \
      cargo test --quiet --test e2e -- --ignored cluster::cost::fill --nocapture 2>&1 | grep invocations
  done
  exit
fi

rehearse=${REHEARSE:-target/dist/rehearse}
admin=127.0.0.1:${ADMIN_PORT:-39070}
RESTATE_BASE_DIR=$data/data DO_NOT_TRACK=1 RESTATE_LISTEN_MODE=tcp RESTATE_LOG_FILTER=warn RESTATE_DEFAULT_NUM_PARTITIONS=2 \
  RESTATE_ADMIN__BIND_ADDRESS=$admin RESTATE_INGRESS__BIND_ADDRESS=127.0.0.1:${INGRESS_PORT:-39080} \
  RESTATE_BIND_ADDRESS=127.0.0.1:${NODE_PORT:-39122} \
  fixtures/record/node_modules/@restatedev/restate-server-linux-x64/bin/restate-server --node-name rehearse \
  >"$data/log" 2>&1 &
server=$!
trap 'kill $server; wait $server || true' EXIT
query() { curl -sf "http://$admin/query" -H 'content-type: application/json' -H "accept: $1" -d "$(jq -n --arg q "$2" '{query: $q}')"; }
until query application/json 'select count(1) as n from sys_journal' 2>/dev/null | jq -e '.rows[0].n > 0' >/dev/null; do sleep 0.5; done
sleep 5
query application/json 'select count(1) as entries, count(distinct id) as journals from sys_journal'
echo

ticks() { awk '{print ($14 + $15) * 10}' "/proc/$server/stat"; }
# NAME COMMAND…: wall, CPU of the command, CPU of the server, in ms; the command's peak memory in MiB.
turn() {
  local name=$1 before after
  shift
  before=$(ticks)
  /usr/bin/env python3 - "$name" "$@" <<'PY'
import os, resource, subprocess, sys, time
begun = time.monotonic()
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{sys.argv[1]:8} wall {wall * 1000:6.0f}  cpu {(used.ru_utime + used.ru_stime) * 1000:5.0f} (user {used.ru_utime * 1000:5.0f})  "
      f"peak {used.ru_maxrss // 1024:4} MiB  status {status.returncode}", end="")
PY
  after=$(ticks)
  echo "  server cpu $((after - before))"
}
work=$(mktemp -d)
sql='select id, index, entry_type, raw, version from sys_journal'
body=$(jq -n --arg q "$sql" '{query: $q}')
for ((round = 0; round < rounds; round++)); do
  turn curl curl -s "http://$admin/query" -H 'content-type: application/json' -H 'accept: application/vnd.apache.arrow.stream' -d "$body" -o "$work/curl.arrow"
  turn record "$rehearse" record "http://$admin" -o "$work/record.arrow"
  turn check "$rehearse" check "http://$admin" --against "$work/curl.arrow" --format json -o "$work/report.json"
done
ls -l "$work"
rm -r "$work"
