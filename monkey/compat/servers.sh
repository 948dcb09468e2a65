#!/usr/bin/env bash
# Starts the servers that the rows need, those that are installed, on free ports of the loopback, runs
# the command that follows, and ends them: `servers.sh PATH_OF_COMPAT COMMAND [ARGUMENT…]`.
# As root it also starts a slow name server, and runs the command where that one is asked.
set -euo pipefail

compat=$1
shift
folder=$(mktemp -d)
chmod 755 "$folder"
servers=()

finish() {
    local server
    for server in "${servers[@]}"; do
        kill "$server" 2>/dev/null || true
    done
    for server in "${servers[@]}"; do
        wait "$server" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT

# Starts a server in the background; what it says goes to a file.
start() {
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 &
    servers+=($!)
}

# Waits until a command succeeds, for a minute at most.
until_ready() {
    local name=$1 try
    shift
    for try in {1..600}; do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    printf 'servers.sh: %s did not start:\n' "$name" >&2
    tail -20 "$folder/$name.log" >&2
    return 1
}

# As another user where we are root: some servers refuse to run as root.
as() {
    local user=$1
    shift
    if ((EUID == 0)); then
        exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"
    else
        exec "$@"
    fi
}

read -r redis_port postgres_port mariadb_port < <("$compat" ports 3)

if command -v redis-server >/dev/null; then
    start redis redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --dir "$folder"
    until_ready redis redis-cli -p "$redis_port" ping
    export COMPAT_REDIS=redis://127.0.0.1:$redis_port/
fi

postgres=$(find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -1)
if [[ -n $postgres ]]; then
    mkdir -m 700 "$folder/postgres"
    ((EUID != 0)) || chown postgres: "$folder/postgres"
    (as postgres "${postgres%/*}/initdb" -D "$folder/postgres" -A trust -U compat -E UTF8 >/dev/null)
    start postgres as postgres "$postgres" -D "$folder/postgres" -h 127.0.0.1 -p "$postgres_port" -k '' \
        -c max_connections=200 -c fsync=off
    until_ready postgres "${postgres%/*}/pg_isready" -h 127.0.0.1 -p "$postgres_port"
    export COMPAT_POSTGRES="postgres://compat@127.0.0.1:$postgres_port/postgres?sslmode=disable"
fi

if command -v mariadbd >/dev/null; then
    mkdir -m 700 "$folder/mariadb"
    user=$(id -un)
    if ((EUID == 0)); then
        user=mysql
        chown mysql: "$folder/mariadb"
    fi
    mariadb-install-db --no-defaults --user="$user" --datadir="$folder/mariadb" >/dev/null 2>&1
    start mariadb mariadbd --no-defaults --user="$user" --datadir="$folder/mariadb" --bind-address=127.0.0.1 \
        --port="$mariadb_port" --socket="$folder/mariadb/socket" --skip-grant-tables --max-connections=200
    until_ready mariadb mariadb-admin --protocol=tcp -h 127.0.0.1 -P "$mariadb_port" ping
    export COMPAT_MARIADB=mysql://root@127.0.0.1:$mariadb_port/mysql
fi

if ((EUID == 0)) && unshare -m true 2>/dev/null; then
    start names "$compat" names 127.0.0.77:53
    printf 'nameserver 127.0.0.77\n' >"$folder/resolv.conf"
    export COMPAT_SLOW_NAMES=127.0.0.77
    # shellcheck disable=SC2016
    unshare -m bash -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$folder/resolv.conf" "$@"
else
    "$@"
fi
