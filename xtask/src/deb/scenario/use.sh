# From the installed package to a team's index behind nginx with TLS, and through it twine and pip.
runuser -u cheeseshop -- cheeseshop passwd root <<< 'secret of root'

cat > /etc/cheeseshop/conf.d/site.toml <<TOML
[server]
outside_url = "$site/"
[mirror]
offline = true
[backup]
directory = "/var/backups/cheeseshop"
TOML
cheeseshop config check
systemctl reload cheeseshop
systemctl restart cheeseshop
wait_for 'an answer after the restart' answers

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -subj '/CN=Test CA' \
    -keyout "$state/ca.key" -out "$state/ca.pem" 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj '/CN=packages.test' \
    -keyout /etc/ssl/private/packages.test.key -out "$state/request.pem" 2>/dev/null
openssl x509 -req -in "$state/request.pem" -CA "$state/ca.pem" -CAkey "$state/ca.key" -CAcreateserial \
    -days 2 -extfile <(echo 'subjectAltName=DNS:packages.test') \
    -out /etc/ssl/certs/packages.test.pem 2>/dev/null
cp "$state/ca.pem" /usr/local/share/ca-certificates/test.crt
echo '127.0.0.1 packages.test' >> /etc/hosts

cheeseshop gen-config nginx --output /etc/nginx/sites-available/cheeseshop
ln -s ../sites-available/cheeseshop /etc/nginx/sites-enabled/cheeseshop
nginx -t -q
systemctl reload-or-restart nginx

update-ca-certificates > /dev/null 2>&1

cheeseshop use "$site"
cheeseshop login root --password 'secret of root'
cheeseshop layout apply /usr/share/doc/cheeseshop/examples/team.toml > "$state/layout"
cheeseshop layout apply /usr/share/doc/cheeseshop/examples/team.toml --check
cheeseshop user -m team 'password=secret of team'

wheel=$state/hello_shop-1.0-py3-none-any.whl
make_wheel "$wheel" "WORDS = 'fresh cheese'"
twine upload --non-interactive --disable-progress-bar --cert "$state/ca.pem" \
    --repository-url "$site/team/dev/" --username team --password 'secret of team' "$wheel"
installs_with_pip
curl --silent --fail --cacert "$state/ca.pem" "$site/+status" > "$state/status"
grep -q '"result"' "$state/status" || fail 'the status does not come through nginx'

# The jobs of the timers, with the rights that their units give.
systemctl start cheeseshop-gc.service
systemctl enable --now --quiet cheeseshop-backup.timer
systemctl start cheeseshop-backup.service
cheeseshop backup verify
links=$(find /var/backups/cheeseshop -path '*/blobs/*' -type f -printf '%n\n' | sort --numeric-sort | head --lines=1)
[ "${links:-0}" -gt 1 ] || fail "the backup has copied what it could share with the server: $links name(s)"
expect 'the backups' "$(mode_of /var/backups/cheeseshop)" '700 cheeseshop cheeseshop'
