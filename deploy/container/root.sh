#!/bin/sh
# Makes the tree of the image: root.sh PROGRAM DIRECTORY. As root.
set -eu
program=$1 root=$2
here=$(dirname "$0")
id=31415
install -d -m 755 "$root" "$root/usr/bin" "$root/etc/cheeseshop/conf.d" "$root/etc/ssl/certs" "$root/var/lib" \
    "$root/usr/share/doc/cheeseshop"
install -d -m 1777 "$root/tmp"
# Whoever gives the container another user (OpenShift does) leaves it the group 0.
install -d -m 770 -o $id -g 0 "$root/var/lib/cheeseshop"
install -m 755 "$program" "$root/usr/bin/cheeseshop"
install -m 644 "$here/../../docs/manual/container.md" "$root/usr/share/doc/cheeseshop/container.md"
# Upstreams and stores are trusted by these, unless the settings name others.
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'cheeseshop:x:%s:%s:Cheeseshop:/var/lib/cheeseshop:/nonexistent\n' $id $id >"$root/etc/passwd"
printf 'cheeseshop:x:%s:\n' $id >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
# An engine puts its own in their place.
: >"$root/etc/hosts"
: >"$root/etc/resolv.conf"
