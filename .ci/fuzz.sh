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
  # In its own directory, as it may leave files behind.
  (cd "$work" && "$schemathesis" --config-file "$config" run "$description" --url "$url" --checks "$checks" \
    --max-examples "$examples" --generation-deterministic --continue-on-failure --warnings off --no-color \
    --header "Authorization: Bearer $token" "$@")
}

local=$(realpath "$local")
config=$(realpath .ci/schemathesis.toml)
description=$(realpath functions/openapi.json)
status=0

# The platform operator is alone in their team, so that none of the endpoints for its administrators can delete or demote them.
# What ends the caller's own account is another caller's.
start
run 1 --exclude-operation-id operator_account.delete_account || status=1
run 4 --include-operation-id operator_account.delete_account --include-operation-id operator_account.restore_account || status=1

# The demo team's administrator, who has users to administer; what may demote or delete the caller comes last.
start
own='^user_admin\.(update_user|delete_user|delete_inactive_users)$'
run 2 --include-path-regex '^/(api/admin|api/v1/admin_user|users)' --exclude-operation-id-regex "$own" || status=1
run 2 --include-operation-id-regex "$own" || status=1

# The demo team's manager, who has managed users, and with whom others share theirs.
start
run 6 --include-path-regex '^/api/v1/(users|oauth)' || status=1

exit "$status"
