# What the comments `<!-- before: … -->` of the pages can use. See docs/testing.md.

# Waits until a text is in a file.
wait_for() {
    local turn
    for turn in {1..1200}; do
        if grep -qsF -- "$2" "$1"; then return; fi
        sleep 0.05
    done
    echo "\`$2\` did not come" >&2
    exit 98
}

# Starts the server with more options; the password of root is PASSWORD.
shop() {
    # That of an earlier one.
    rm -f "$RUN/shop.out"
    cheeseshop serve "$@" >"$RUN/shop.out" 2>>"$RUN/shop.log" &
    SHOP_PID=$!
    wait_for "$RUN/shop.out" 'Install with'
    root_password
}

# Prints what the server that the page has started said beside its log.
said() {
    grep -v 'Z  INFO \|Z  WARN ' "$SAID"
}

# Sets the password of root beside the running server, which sees it within a second.
root_password() {
    printf 'PASSWORD\n' | cheeseshop passwd root
    local turn
    for turn in {1..600}; do
        if curl http://127.0.0.1:3141/+login \
            -d '{"user": "root", "password": "PASSWORD"}' >"$RUN/asked" 2>&1; then return; fi
        sleep 0.05
    done
    exit 98
}

# Ends the server, ours or the page's.
stop_shop() {
    kill "$SHOP_PID"
    wait "$SHOP_PID" || true
}

# Asks the server as root.
ask() {
    curl -o "$RUN/asked" -u root:PASSWORD "$@"
}

# Makes a user: name, and a password other than `NAMEs-password`.
user() {
    ask -X PUT "http://127.0.0.1:3141/$1" -d "{\"password\": \"${2:-$1s-password}\"}"
}

# Makes an index: name, and its settings.
index() {
    ask -X PUT "http://127.0.0.1:3141/$1" -d "${2:-"{}"}"
}

# Uploads a release: user, index, version, and project if it is another than `hello-shop`.
release() {
    command devpi use "http://127.0.0.1:3141/$2" --clientdir "$RUN/uploads"
    command devpi login "$1" --password "$1s-password" --clientdir "$RUN/uploads"
    command devpi upload --clientdir "$RUN/uploads" "$SAMPLES"/"${4:-hello_shop}-$3"*
}

# Makes this folder the checkout of `hello-shop` of a version, with its files in `dist`.
checkout() {
    tar -xzf "$SAMPLES/hello_shop-$1.tar.gz" --strip-components 1
    printf '\n[project]\nname = "hello-shop"\nversion = "%s"\n' "$1" >> pyproject.toml
    printf 'description = "Says hello"\nrequires-python = ">=3.9"\n' >> pyproject.toml
    printf '"""Says hello."""\n__version__ = "%s"\n' "$1" > src/hello_shop.py
    mkdir -p dist
    cp "$SAMPLES"/hello_shop-"$1"* dist
}

# Uploads the project `our-project`, as a user to an index.
our_project() {
    release "$1" "$2" 1.0 our_project
}

# Prints a token of a user.
devpi_token() {
    command devpi use http://127.0.0.1:3141/ --clientdir "$RUN/tokens" >"$RUN/asked"
    command devpi login "$1" --password "$1s-password" --clientdir "$RUN/tokens" >"$RUN/asked"
    command devpi token-create --clientdir "$RUN/tokens" | tail -n 1
}

# Puts a script in the place of cargo, which would take minutes to make the program that is here already.
stand_in_for_cargo() {
    cat >/usr/local/bin/cargo <<'END'
#!/bin/sh
case "$*" in
"run --release -- "*) shift 3; exec cheeseshop "$@" ;;
"xtask wheel") mkdir -p target/wheels; python3 - "$(command -v cheeseshop)" <<'CODE' ;;
import base64, hashlib, sys, zipfile
# As maturin lays it out, with a program that is here already.
name, info = "cheeseshop-0.1.0", "cheeseshop-0.1.0.dist-info"
with zipfile.ZipFile(f"target/wheels/{name}-py3-none-any.whl", "w") as wheel:
    files = {
        f"{name}.data/scripts/cheeseshop": f'#!/bin/sh\nexec {sys.argv[1]} "$@"\n',
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: cheeseshop\nVersion: 0.1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD,,\n"
    for path, text in files.items():
        wheel.writestr(path, text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text)}\n"
    wheel.writestr(f"{info}/RECORD", record)
CODE
"build --release") mkdir -p target/release; cp -L "$(command -v cheeseshop)" target/release/ ;;
*) echo "this is no cargo" >&2; exit 97 ;;
esac
END
    chmod 755 /usr/local/bin/cargo
}

# Makes the directory of a devpi-server in /srv/devpi, which holds `hello-shop` of bob/dev, and lets its
# programs be found. Further options are for these.
old_devpi() {
    local hashes='--argon2-memory-cost 8 --argon2-parallelism 1 --argon2-time-cost 1'
    export PATH="$OLD_DEVPI:$PATH"
    devpi-init --serverdir /srv/devpi --no-root-pypi --root-passwd PASSWORD "$@"
    rm -f "$RUN/old.log"
    devpi-server --serverdir /srv/devpi --port 3141 $hashes "$@" >"$RUN/old.log" 2>&1 &
    SHOP_PID=$!
    wait_for "$RUN/old.log" 'Serving on'
    command devpi use http://127.0.0.1:3141 --clientdir "$RUN/uploads"
    command devpi login root --password PASSWORD --clientdir "$RUN/uploads"
    command devpi user -c bob password=bobs-password --clientdir "$RUN/uploads"
    command devpi login bob --password bobs-password --clientdir "$RUN/uploads"
    command devpi index -c dev --clientdir "$RUN/uploads"
    release bob bob/dev 1.0
    stop_shop
}

# Starts a devpi-server whose data are in PostgreSQL, in the database `devpi` of the user of that name.
devpi_in_postgresql() {
    PGPORT=${POSTGRES##*:}
    export PGPORT=${PGPORT%%/*}
    local storage="pg8000:host=127.0.0.1,port=$PGPORT,database=devpi,user=devpi,password=secret"
    psql "$POSTGRES" -q -c "CREATE ROLE devpi LOGIN PASSWORD 'secret'"
    psql "$POSTGRES" -q -c 'CREATE DATABASE devpi OWNER devpi'
    old_devpi --storage "$storage"
}

# Puts the file `tox.ini` into the source distribution in `dist`.
tested_by_tox() {
    tar -xzf "$SAMPLES/hello_shop-1.0.tar.gz" -C "$RUN"
    cp tox.ini "$RUN/hello_shop-1.0"
    mkdir -p dist
    tar -czf dist/hello_shop-1.0.tar.gz -C "$RUN" hello_shop-1.0
    command devpi upload dist/hello_shop-1.0.tar.gz
}
