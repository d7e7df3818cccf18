#!/usr/bin/env bash
# Asks the local server whatever its description allows, and much that it does not: no answer may be a server error, or one that
# the description does not tell of.
#
#   .ci/fuzz.sh [EXAMPLES]     at most so many requests of each kind per operation; 15 if it is not said
#
# Needs `cargo build --workspace --locked` and Schemathesis, as $SCHEMATHESIS or in the path.
set -euo pipefail
cd "$(dirname "$0")/.."
examples="${1:-15}"
schemathesis="${SCHEMATHESIS:-schemathesis}"
local="${CARGO_TARGET_DIR:-target}/debug/local"
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance

work=$(mktemp -d)
server=
end() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  server=
}
trap 'end; rm -rf "$work"' EXIT

# A server of its own for each run, in $url: what one run changes, another does not see.
start() {
  end
  RUST_LOG=error "$local" --memory --port 0 >"$work/out" 2>"$work/err" &
  server=$!
  url=
  for _ in $(seq 100); do
    url=$(sed -n 's/^listening on //p' "$work/out")
    [ -z "$url" ] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  echo "the local server does not start:"
  cat "$work/err"
  exit 1
}

# Runs as the demo user of that digit, with more options.
run() {
  local token
  token=$("$local" --memory token "00000000-0000-4000-8000-00000000000$1" --ttl 1d)
  shift
  # In its own directory, as it leaves files behind.
  (cd "$work" && "$schemathesis" run "$url/openapi.json" --checks "$checks" --max-examples "$examples" --seed 1 \
    --generation-deterministic --continue-on-failure --warnings off --no-color \
    --header "Authorization: Bearer $token" "$@")
}

local=$(realpath "$local")
status=0

# The platform operator is alone in their team, so that no endpoint of its administrators can delete or demote them. What ends
# the caller's own account comes last.
start
run 1 --phases examples,coverage,fuzzing --exclude-operation-id operator_account.delete_account || status=1
run 1 --phases examples,coverage,fuzzing --include-operation-id operator_account.delete_account || status=1

# The demo team's administrator, who has users to administer, invite and share.
start
run 2 --phases examples,coverage,fuzzing --include-path-regex '^/(api|users)' || status=1

exit "$status"
