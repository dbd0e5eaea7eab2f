# What operators do later, and what happens to them. Each run is followed by one that changes nothing.
cp /packages/site.pp "$state/site.pp"
site_manifest=$state/site.pp
settles() {
    expect "the exit code of the run after $1" "$(puppet_apply "$state/settled.log")" 0
    told_nothing "$state/settled.log"
}

# Another password of root, in Hiera.
before=$(systemctl show --property=MainPID --value cheeseshop)
sed -i 's/^cheeseshop_root_password: .*/cheeseshop_root_password: topsecret-of-another-root/' /etc/puppet/data/common.yaml
expect 'the exit code for another password' "$(puppet_apply "$state/password.log")" 2
told "$state/password.log" 'Exec[cheeseshop password of root]/returns: executed successfully'
not_told "$state/password.log" topsecret
expect 'the process' "$(systemctl show --property=MainPID --value cheeseshop)" "$before"
expect 'a login with the new one' "$(curl --silent --output /dev/null --write-out '%{http_code}' \
    --data '{"user": "root", "password": "topsecret-of-another-root"}' "$server/+login")" 200
settles 'another password'

# Another port: the server is restarted, and nginx follows.
sed -i "s|^class { 'cheeseshop':|&\n  port => 3142,|" "$site_manifest"
expect 'the exit code for another port' "$(puppet_apply "$state/port.log")" 2
expect 'what listens' "$(ss --no-header --listening --tcp --numeric | awk '{ print $4 }' | grep ':314[0-9]$' | xargs)" '127.0.0.1:3142'
expect 'what the installed project says' "$(installs hello-shop)" 'fresh cheese'
settles 'another port'

# TLS in the server itself, and then another certificate, which is read without a restart.
cp "$site_manifest" "$state/plain.pp"
sed -i "s|^  port => 3142,|  listen                  => ['127.0.0.1:3142', 'https://127.0.0.1:3143'],\n\
  settings                => { 'tls' => { 'plain_http' => 'serve' } },\n\
  tls_certificate         => '/etc/cheeseshop/shop.pem',\n\
  tls_certificate_content => file('/etc/ssl/certs/$site_name.pem'),\n\
  tls_key                 => '/etc/cheeseshop/shop.key',\n\
  tls_key_content         => Sensitive(file('/etc/ssl/private/$site_name.key')),|" "$site_manifest"
expect 'the exit code for TLS' "$(puppet_apply "$state/tls-1.log")" 2
old=$(serial 127.0.0.1:3143)
before=$(systemctl show --property=MainPID --value cheeseshop)
certificate
expect 'the exit code for another certificate' "$(puppet_apply "$state/tls-2.log")" 2
is_new() { [ "$(serial 127.0.0.1:3143)" != "$old" ]; }
wait_for 'another certificate' is_new
expect 'the process' "$(systemctl show --property=MainPID --value cheeseshop)" "$before"
settles 'another certificate'
cp "$state/plain.pp" "$site_manifest"
expect 'the exit code for an end of TLS' "$(puppet_apply "$state/tls-3.log")" 2

# A server that is down, on a machine of which half is missing: a dry run says so, a run mends it.
systemctl stop cheeseshop
rm /etc/cheeseshop/puppet.json /etc/cheeseshop/root.password /etc/pip.conf /etc/cheeseshop-jenkins.token
expect 'the exit code of a dry run on half of it' "$(puppet_apply "$state/half-1.log" --noop)" 0
for resource in 'Service[cheeseshop]/ensure' 'File[/etc/cheeseshop/puppet.json]/ensure' 'File[/etc/pip.conf]/ensure' \
    'Cheeseshop_token[jenkins]/ensure'; do
    would_change "$state/half-1.log" "$resource"
done
expect 'the service after a dry run' "$(systemctl is-active cheeseshop || :)" inactive
expect 'the exit code of the run that mends half' "$(puppet_apply "$state/half-2.log")" 2
settles 'half of it'

# A server that cannot start: the run fails, and nothing on the server is taken for gone.
mkdir -p /run/systemd/system/cheeseshop.service.d
printf '[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n' > /run/systemd/system/cheeseshop.service.d/broken.conf
systemctl daemon-reload
systemctl stop cheeseshop
puppet_fails "$state/broken-1.log"
told "$state/broken-1.log" 'Service[cheeseshop]'
not_told "$state/broken-1.log" 'Cheeseshop_user[team]/ensure: created'
rm /run/systemd/system/cheeseshop.service.d/broken.conf
systemctl daemon-reload
systemctl reset-failed cheeseshop
expect 'the exit code when it starts again' "$(puppet_apply "$state/broken-2.log")" 2
settles 'a failed start'

# Settings that are wrong never get into the file.
cp /etc/cheeseshop/cheeseshop.toml "$state/before.toml"
cp /etc/puppet/data/common.yaml "$state/before.yaml"
printf 'cheeseshop::settings:\n  server:\n    no_such_key: 1\n' >> /etc/puppet/data/common.yaml
puppet_fails "$state/wrong.log"
told "$state/wrong.log" 'no_such_key'
cmp /etc/cheeseshop/cheeseshop.toml "$state/before.toml" || fail 'wrong settings were written'
expect 'the service' "$(systemctl is-active cheeseshop)" active
cp "$state/before.yaml" /etc/puppet/data/common.yaml
settles 'wrong settings'

# What can be taken away is taken away, and nothing else.
for class in client nginx; do
    sed -i "s|^class { 'cheeseshop::$class':|&\n  ensure => absent,|" "$site_manifest"
done
sed -i "s|^  keep => 14,|  ensure => absent,|" "$site_manifest"
expect 'the exit code for an end' "$(puppet_apply "$state/end.log")" 2
for file in /etc/pip.conf /etc/uv/uv.toml /etc/profile.d/cheeseshop-server.sh /etc/nginx/conf.d/cheeseshop.conf \
    /usr/local/share/ca-certificates/cheeseshop.crt /etc/cheeseshop/conf.d/puppet-backup.toml; do
    [ ! -e "$file" ] || fail "$file is still there"
done
grep -qF "$(sed -n 2p /etc/ssl/corp-ca.pem)" /etc/ssl/certs/ca-certificates.crt && fail 'the authority is still trusted'
expect 'the timer of backups' "$(systemctl is-active cheeseshop-backup.timer || :)" inactive
[ -n "$(ls -A /var/backups/cheeseshop)" ] || fail 'backups have gone'
expect 'the server' "$(systemctl is-active cheeseshop nginx | xargs)" 'active active'
settles 'the end'
