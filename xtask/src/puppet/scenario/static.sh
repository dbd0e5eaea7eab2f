# The module as it lies there: syntax, style, the reference.
cd "$modules/cheeseshop"
puppet parser validate manifests types functions 2> "$state/parser.log" || { cat "$state/parser.log" >&2; fail 'a manifest is wrong'; }
puppet epp validate templates/*.epp 2> "$state/epp.log" || { cat "$state/epp.log" >&2; fail 'a template is wrong'; }
puppet-lint --fail-on-warnings manifests types functions >&2 || fail 'puppet-lint'
find lib spec -name '*.rb' -print0 | xargs -0 -n1 ruby -wc > "$state/ruby.log" 2>&1 || { cat "$state/ruby.log" >&2; fail 'Ruby'; }
ruby -rjson -ryaml -e 'JSON.parse(File.read("metadata.json")); Dir["hiera.yaml", "data/**/*.yaml"].each { |file| YAML.safe_load(File.read(file)) }'
# Every range is closed.
ruby -rjson -e '
    document = JSON.parse(File.read("metadata.json"))
    open = (document["dependencies"] + document["requirements"]).reject { |entry| entry["version_requirement"] =~ /\A>= \S+ < \S+\z/ }
    abort "metadata.json: not closed: #{open.map { |entry| entry["name"] }.join(", ")}" unless open.empty?
'
cd /
