# The names of devpi: beside an installation of devpi by hand, which stays first, or in its place.
printf '#!/bin/sh\necho the other devpi\n' > /usr/local/bin/devpi
chmod +x /usr/local/bin/devpi
apt install "$DEVPI" < /dev/null
expect 'the devpi of the search path' "$(bash -c 'devpi')" 'the other devpi'
rm /usr/local/bin/devpi
case $(devpi --version) in
    'devpi-client '*) ;;
    *) fail "devpi says $(devpi --version)" ;;
esac
dpkg --listfiles cheeseshop-devpi | grep '^/usr/bin/devpi' > "$state/programs"
while read -r program; do
    "$program" --help > /dev/null || fail "$program has no help"
done < "$state/programs"
expect 'the links' "$(grep -c . "$state/programs")" 10
apt purge cheeseshop-devpi < /dev/null
[ ! -e /usr/bin/devpi ] || fail '/usr/bin/devpi outlives its package'
