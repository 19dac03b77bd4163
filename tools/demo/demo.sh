#!/bin/sh
# A private httpd with the module, on a free loopback port, and a tour of what it does.
#
#   demo.sh start|stop|clean BUILD DATA
#
# BUILD is a build directory; DATA keeps everything the server writes. Nothing else is touched.
set -eu
umask 022 # httpd's children read some of what we write

build=$2
data=$3
config=httpd.conf # in $data

say() {
    printf '\n%s\n' "$*"
}

fail() {
    echo "demo: $*" >&2
    if [ -s "$data/logs/error.log" ]; then
        echo "The last lines of $data/logs/error.log:" >&2
        tail -n 15 "$data/logs/error.log" >&2
    fi
    exit 1
}

# --- the server

# built KEY: what configure found out, one key a line in env.json.
built() {
    value=$(sed -n "s/^ *\"$1\": \"\(.*\)\",*\$/\1/p" "$build/tests/httpd/env.json")
    [ -n "$value" ] || fail "$build/tests/httpd/env.json has no \"$1\""
    echo "$value"
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# The process id of our server, if it runs. The command line proves that it is ours.
server_pid() {
    pid=$(cat "$data/run/httpd.pid" 2>/dev/null) || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$data/$config" || return 1
    echo "$pid"
}

# wait_for SECONDS COMMAND...: 1 if the command still fails when the time is over.
wait_for() {
    tries=$(($1 * 10))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

answers() {
    [ "$(curl -s -o /dev/null -w '%{http_code}' -X OPTIONS "$base/")" -lt 400 ] 2>/dev/null &&
        server_pid >/dev/null
}

start_server() {
    "$(built httpd)" -f "$data/$config" -k start || fail "httpd refused to start"
    wait_for 20 answers || fail "httpd does not answer at $base"
}

# stop_server: 1 if none was running.
stop_server() {
    pid=$(server_pid) || return 1
    kill -TERM "$pid"
    wait_for 30 is_gone "$pid" || fail "httpd (process $pid) does not stop"
}

# --- its files

# httpd's children run as www-data if we are root, and must be able to reach the data. A clone in
# a private directory keeps them out: then the data goes to /var/tmp, and DATA is a link.
make_data() {
    [ -e "$data" ] || rm -f "$data"
    mkdir -p "$data" || fail "there is no room for the data in $data"
    data=$(cd "$data" && pwd -P)
    if is_root && ! runuser -u www-data -- test -x "$data"; then
        place=$(mktemp -d /var/tmp/jabberfiles-demo.XXXXXX)
        chmod 755 "$place"
        rmdir "$data" || fail "www-data cannot reach $data, and it is not empty"
        ln -s "$place" "$data"
        echo "The server's user cannot reach $data: it is a link to $place now."
        data=$place
    fi
    mkdir -p "$data/run" "$data/logs" "$data/store" "$data/htdocs" ||
        fail "$data cannot be filled; ./bootstrap demo clean removes it"
    if is_root; then
        chown -R www-data: "$data/store"
    fi
    chmod 700 "$data/store"
}

free_port() {
    "$1" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# Links stay valid as long as the port is the same.
choose_port() {
    port=$(cat "$data/port" 2>/dev/null) || port=
    if [ -z "$port" ] || ss -Hltn "sport = :$port" | grep -q .; then
        port=$(free_port /usr/bin/python3)
        echo "$port" >"$data/port"
    fi
    base=http://127.0.0.1:$port/files
}

make_accounts() {
    if [ ! -s "$data/passwords" ]; then
        (umask 077 && printf '%s\n%s\n' "$(openssl rand -hex 4)" "$(openssl rand -hex 4)" \
            >"$data/passwords")
    fi
    alice_password=$(sed -n 1p "$data/passwords")
    bob_password=$(sed -n 2p "$data/passwords")
    htpasswd=$(built htpasswd)
    {
        "$htpasswd" -nb alice@example.org "$alice_password"
        "$htpasswd" -nb bob@example.org "$bob_password"
    } | grep . >"$data/accounts" || fail "htpasswd made no accounts"
}

# load_modules NAME...: those that are not compiled into httpd.
load_modules() {
    compiled_in=$("$(built httpd)" -l)
    modules_dir=$(built httpd_modules_dir)
    for name; do
        case $compiled_in in
        *"mod_$name.c"*) ;;
        *) echo "LoadModule ${name}_module \"$modules_dir/mod_$name.so\"" ;;
        esac
    done
}

write_config() {
    {
        load_modules mpm_event unixd log_config authn_core authn_file authz_core auth_basic \
            reqtimeout status watchdog
        echo "LoadModule jabberfiles_module \"$(built module)\""
        if is_root; then
            printf 'User www-data\nGroup www-data\n'
        fi
        cat <<END
ServerRoot "$data"
DefaultRuntimeDir run
PidFile run/httpd.pid
Listen 127.0.0.1:$port
ServerName 127.0.0.1:$port
DocumentRoot "$data/htdocs"
ErrorLog logs/error.log
CustomLog logs/access.log "%h %u \"%r\" %>s %b"
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Location "/server-status">
    SetHandler server-status
    Require all granted
</Location>

JabberFilesStore "$data/store"
JabberFilesDomain example.org
<Location "/files">
    JabberFiles On
    JabberFilesQuota 5M
    AuthType Basic
    AuthName "Jabber ID"
    AuthBasicProvider file
    AuthUserFile "$data/accounts"
    Require jabber-access
</Location>
END
    } >"$data/$config"
}

# --- the tour

alice_uploads() {
    say "1. alice uploads a file of $(wc -c <"$sample") bytes:"
    echo "\$ curl -u alice@example.org:$alice_password -T $sample $base/alice@example.org/"
    link=$(curl -sS --fail-with-body -u "alice@example.org:$alice_password" -T "$sample" \
        "$base/alice@example.org/") || fail "the upload was refused: $link"
    case $link in
    "$base"/*) echo "$link" ;;
    *) fail "the answer is no link below $base: $link" ;;
    esac
}

server_restarts() {
    say "2. The server stops and starts again."
    stop_server || fail "the server was gone before it was stopped"
    start_server
}

friend_downloads() {
    say "3. A friend downloads the link, without any login:"
    echo "\$ curl -o downloaded $link"
    curl -sS --fail -o "$data/downloaded" "$link" || fail "the link cannot be downloaded"
    cmp "$sample" "$data/downloaded" || fail "the download differs from the file"
    sha256sum "$sample" "$data/downloaded"
}

quota_refuses() {
    say "4. Another 5 MiB would exceed the quota of 5M. Nothing is sent, this is the answer:"
    head -c 5242880 /dev/zero >"$data/too-much"
    echo "\$ curl -i -H 'Accept: application/json' -u alice@example.org:$alice_password" \
        "-T $data/too-much $base/alice@example.org/"
    curl -sS -i -H 'Accept: application/json' -u "alice@example.org:$alice_password" \
        -T "$data/too-much" "$base/alice@example.org/" >"$data/answer" ||
        fail "the upload over quota got no answer"
    cat "$data/answer"
    echo
    grep -q '^HTTP/1.1 507 ' "$data/answer" || fail "that should have been 507"
}

what_to_try() {
    cat <<END

The server keeps running at $base. Try:

  curl -u alice@example.org:$alice_password -T FILE $base/alice@example.org/
  curl -u alice@example.org:$alice_password $base/alice@example.org/ -H 'Accept: application/json'
  curl -u alice@example.org:$alice_password -X DELETE $base/alice@example.org/${sample##*/}
  curl -u bob@example.org:$bob_password -T FILE $base/bob@example.org/
  curl -u bob@example.org:$bob_password -i $base/alice@example.org/     (refused: not his)
  curl -O $link

or open $base/alice@example.org/ in a browser.
Log: $data/logs/error.log
To end it: ./bootstrap demo stop
END
}

start() {
    make_data
    if stop_server; then
        echo "The demo was running; it starts anew."
    fi
    : >"$data/logs/error.log"
    choose_port
    make_accounts
    write_config
    start_server
    sample=$(built module)
    alice_uploads
    server_restarts
    friend_downloads
    quota_refuses
    what_to_try
}

# end: stops the server of DATA if there is one, and says so.
end() {
    if [ -d "$data" ]; then
        data=$(cd "$data" && pwd -P)
    fi
    if stop_server; then
        echo "The demo has stopped."
    else
        echo "The demo is not running."
    fi
}

stop() {
    end
    [ ! -d "$data" ] || echo "What it wrote is in $data; ./bootstrap demo clean removes it."
}

clean() {
    link_or_directory=$data
    end
    rm -rf "$data" "$link_or_directory"
    echo "$link_or_directory is removed."
}

case $1 in
start) start ;;
stop) stop ;;
clean) clean ;;
*) fail "usage: demo.sh start|stop|clean BUILD DATA" ;;
esac
