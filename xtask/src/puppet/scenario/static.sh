# The module as it lies there: syntax, style, metadata.
cd "$modules/cheeseshop"
quietly() {
    "$@" > "$state/static.log" 2>&1 || { cat "$state/static.log" >&2; fail "$*"; }
}
quietly puppet parser validate manifests types functions
quietly puppet epp validate templates/*.epp
quietly puppet-lint --fail-on-warnings manifests types functions
quietly metadata-json-lint --strict-dependencies --strict-puppet-version --no-strict-license --fail-on-warnings metadata.json
find lib spec tasks -name '*.rb' -print0 | xargs -0 -n1 ruby -wc > "$state/static.log" 2>&1 || { cat "$state/static.log" >&2; fail 'Ruby'; }
ruby -rjson -ryaml -e '
    Dir["tasks/*.json"].each { |file| JSON.parse(File.read(file)) }
    Dir["hiera.yaml", "data/**/*.yaml"].each { |file| YAML.safe_load(File.read(file)) }
'
cd /
