# The test that the source package has for Debian's own machines, run as those do. `null` is this machine as it is,
# which cannot say of itself that it is one that may be changed.
cp -r "${THIS%/*}/source" "$state/source"
autopkgtest --no-built-binaries --ignore-restrictions=isolation-container "$state/source" "$THIS" -- null
apt purge cheeseshop < /dev/null
