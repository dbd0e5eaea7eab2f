# shellcheck shell=sh
# devpi_use USER/INDEX: points pip, uv, twine and devpi of this shell at an index of the cheeseshop.
#
# Loaded when it is first called, for it also brings a function `devpi`, which nobody shall meet
# unasked. Where the server is can be said for everybody here:
#export CHEESESHOP_URL=https://packages.example/

devpi_use() {
    if [ ! -r /usr/share/cheeseshop/devpi_use.sh ]; then
        echo 'devpi_use: the package cheeseshop is not installed any more' >&2
        return 1
    fi
    unset -f devpi_use
    . /usr/share/cheeseshop/devpi_use.sh
    devpi_use "$@"
}
