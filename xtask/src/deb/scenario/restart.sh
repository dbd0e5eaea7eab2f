# Restarts under load, of the service as it is installed: without the socket unit, directly and behind nginx.
expect 'the socket' "$(systemctl is-active cheeseshop.socket || :)" inactive
main_process() {
    systemctl show --property=MainPID --value cheeseshop.service
}
kept() {
    systemctl show --property=NFileDescriptorStore --value cheeseshop.service
}
expect 'the addresses that systemd keeps' "$(kept)" 1

# ask WHERE URL: again and again, each time on a connection of its own; writes what came of it.
ask() {
    until [ -e "$state/enough" ]; do
        curl --silent --output /dev/null --max-time 60 --cacert "$state/ca.pem" \
            --user 'team:secret of team' --write-out '%{http_code} %{exitcode}\n' "$2" || :
    done > "$state/asked.$1"
}
# answered WHERE: how often so far.
answered() {
    grep -c '^200 0$' "$state/asked.$1" || :
}
# load: callers in the background.
load() {
    rm -f "$state/enough"
    callers=()
    for number in 1 2; do
        ask "server.$number" "$server/team/dev/+simple/hello-shop/" &
        callers+=($!)
        ask "nginx.$number" "$site/team/dev/+simple/hello-shop/" &
        callers+=($!)
    done
}
# pass: until each caller has got some more answers.
pass() {
    local where before
    for where in server.1 server.2 nginx.1 nginx.2; do
        before=$(answered "$where")
        more() { [ "$(answered "$where")" -ge $((before + 5)) ]; }
        wait_for "an answer for $where" more
    done
}
# unload: the callers end; says what they got.
unload() {
    touch "$state/enough"
    wait "${callers[@]}"
    for where in server nginx; do
        echo "$where: $(sort "$state/asked.$where".* | uniq --count | tr '\n' ' ')"
    done
}

# Starts by hand count as well; nobody else does so many in a minute.
patience() {
    systemctl reset-failed cheeseshop.service
}

patience
load
pass
for _ in 1 2 3 4; do
    before=$(main_process)
    systemctl restart cheeseshop.service
    [ "$(main_process)" != "$before" ] || fail 'the server was not restarted'
    pass
done
unload
for where in server nginx; do
    expect "requests to $where that failed in restarts" \
        "$(cat "$state/asked.$where".* | grep -cv '^200 0$' || :)" 0
done

# A crash costs what was being answered, and refuses nobody who comes then.
: > /var/log/nginx/error.log
load
pass
before=$(main_process)
kill -KILL "$before"
is_another() { [ "$(main_process)" != "$before" ] && [ "$(main_process)" != 0 ]; }
wait_for 'the start after a crash' is_another
pass
unload
expect 'requests that were refused after a crash' \
    "$(cat "$state"/asked.server.* | grep -c ' 7$' || :)" 0
expect 'connections of nginx that were refused' \
    "$(grep -c 'Connection refused' /var/log/nginx/error.log || :)" 0

patience
# The settings say what is listened on, also when something else was kept.
cat > /etc/cheeseshop/conf.d/restart.toml <<'TOML'
[server]
listen = ["0.0.0.0:3141", "[::1]:3142", "unix:/run/cheeseshop/http.sock"]
socket_mode = "666"
TOML
listening() {
    ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | grep ':314[12]$' | sort | tr '\n' ' '
}
by_socket() {
    curl --silent --fail --output /dev/null --unix-socket /run/cheeseshop/http.sock http://localhost/+status
}
for _ in 1 2; do
    systemctl restart cheeseshop.service
    answers || fail 'no answer after the restart'
    by_socket || fail 'no answer by the socket of the file system'
    expect 'what is listened on' "$(listening)" '0.0.0.0:3141 [::1]:3142 '
    expect 'the addresses that systemd keeps' "$(kept)" 3
    expect 'the mode of the socket' "$(mode_of /run/cheeseshop/http.sock)" '666 cheeseshop cheeseshop'
done
rm /etc/cheeseshop/conf.d/restart.toml
systemctl restart cheeseshop.service
answers || fail 'no answer after the address was taken back'
[ ! -e /run/cheeseshop/http.sock ] || fail 'a socket that nobody asks for is still there'
expect 'what is listened on' "$(listening)" '127.0.0.1:3141 '
expect 'the addresses that systemd keeps' "$(kept)" 1

# A server that cannot start leaves nobody waiting.
echo '[server' > /etc/cheeseshop/conf.d/restart.toml
if systemctl restart cheeseshop.service; then fail 'a server with a mistake in its settings has started'; fi
code=0
curl --silent --output /dev/null --max-time 60 "$server/+status" || code=$?
expect 'what a caller of a server gets that cannot start' "$code" 7
rm /etc/cheeseshop/conf.d/restart.toml
patience
systemctl restart cheeseshop.service
answers || fail 'no answer after the mistake'
expect 'the addresses that systemd keeps' "$(kept)" 1

# A server that is stopped for good is refused at once.
systemctl stop cheeseshop.service
expect 'what is listened on' "$(listening || :)" ''
code=0
curl --silent --output /dev/null "$server/+status" || code=$?
expect 'what a caller of a stopped server gets' "$code" 7
systemctl start cheeseshop.service
answers || fail 'no answer after the stop'
patience
