# What systemd thinks of the services' confinement.
for unit in /lib/systemd/system/cheeseshop*.service; do
    unit=${unit##*/}
    case $unit in
        *@.service) unit=${unit%.service}example.service ;;
    esac
    systemd-analyze security --no-pager "$unit" | tail -n 1
    systemd-analyze security --no-pager --threshold=20 "$unit" > "$state/exposure" ||
        { cat "$state/exposure"; fail "$unit is exposed more than 2.0"; }
done
