# shellcheck shell=sh
# devpi_use USER/INDEX [options of `cheeseshop env`]
#
# Points pip, uv, twine, poetry, pdm and devpi of this shell at an index of the cheeseshop, with all
# state in the job's workspace, so that jobs that run at once in one home do not disturb each other.
#
#     . /usr/share/cheeseshop/devpi_use.sh
#     devpi_use shared/stable || exit
#     pip install our-project
#     devpi list
#
# For bash, zsh and every other POSIX shell, interactive or not. What has to be known is where the
# server is: CHEESESHOP_URL, or see `cheeseshop env --help`.

devpi_use() {
    # A failure of the program must not be taken for success, which `eval "$(…)"` alone would do.
    if ! __devpi_use_code=$(command "${CHEESESHOP:-cheeseshop}" env --shell sh "$@"); then
        unset __devpi_use_code
        return 1
    fi
    eval "$__devpi_use_code" || return
    unset __devpi_use_code
}

# devpi with the state that devpi_use has chosen, and with no other.
devpi() {
    if [ -z "${DEVPI_CLIENTDIR:-}" ] || [ -z "${DEVPI_INDEX:-}" ]; then
        echo 'devpi: call devpi_use USER/INDEX first: without it the state would be in your home' >&2
        return 2
    fi
    # These write into the configuration of the home, which all jobs share. Options may be abbreviated.
    for __devpi_word in "$@"; do
        case $__devpi_word in
            --always*=no) ;;
            --set* | --always* | --clientdir*)
                echo "devpi: $__devpi_word is not for jobs: it touches what they share" >&2
                unset __devpi_word
                return 2
                ;;
        esac
    done
    unset __devpi_word
    # The program, not this function. Without one of that name the cheeseshop does the same.
    if (unset -f devpi && command -v devpi >/dev/null 2>&1); then
        command devpi "$@"
    else
        command "${CHEESESHOP:-cheeseshop}" "$@"
    fi
}
