# The tests of the module itself, with the program that is installed now.
cp -r "$modules" "$state/modules"
cd "$state/modules/cheeseshop"
rspec -I spec spec/classes spec/defines spec/unit spec/tasks > "$state/rspec.log" 2>&1 || { grep -v 'Facter.*environ' "$state/rspec.log" >&2; fail 'rspec'; }
grep 'examples,' "$state/rspec.log" >&2
cd /
