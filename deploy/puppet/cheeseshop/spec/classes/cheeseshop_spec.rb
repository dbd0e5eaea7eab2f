# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop' do
  let(:toml) { catalogue.resource('file', '/etc/cheeseshop/cheeseshop.toml')[:content] }

  context 'with nothing said' do
    it { is_expected.to compile.with_all_deps }

    it 'installs before it configures, and configures before it starts' do
      is_expected.to contain_class('cheeseshop::account').that_comes_before('Class[cheeseshop::install]')
      is_expected.to contain_class('cheeseshop::install').that_comes_before('Class[cheeseshop::config]')
      is_expected.to contain_class('cheeseshop::config').that_comes_before('Class[cheeseshop::service]')
      is_expected.to contain_class('cheeseshop::service').that_comes_before('Class[cheeseshop::server]')
      is_expected.to contain_file('/etc/cheeseshop/cheeseshop.toml').that_notifies('Service[cheeseshop]')
    end

    it 'leaves user and unit to the package' do
      is_expected.to contain_package('cheeseshop').with_ensure('installed')
      is_expected.to contain_service('cheeseshop').with(ensure: 'running', enable: true)
      is_expected.to contain_file('/etc/systemd/system/cheeseshop.service.d/puppet.conf').with_ensure('absent')
      is_expected.to have_user_resource_count(0)
    end

    it 'writes settings that are checked before they count' do
      is_expected.to contain_file('/etc/cheeseshop/cheeseshop.toml').with(
        mode: '0640', group: 'cheeseshop', show_diff: false, validate_cmd: '/usr/bin/cheeseshop config check --config %'
      )
      expect(toml).to include("[server]\ndata_dir = \"/var/lib/cheeseshop\"\nlisten = [\"127.0.0.1:3141\"]\n")
    end

    it 'touches nothing on the server, of which it has no password' do
      is_expected.not_to contain_exec('cheeseshop password of root')
      is_expected.not_to contain_file('/etc/cheeseshop/puppet.json')
    end

    it 'leaves the socket alone' do
      is_expected.not_to contain_service('cheeseshop.socket')
    end
  end

  context 'with settings elsewhere' do
    let(:params) { { config_dir: '/srv/shop/etc' } }

    it { is_expected.to compile.with_all_deps }

    it 'tells the service and its jobs where' do
      ['cheeseshop', 'cheeseshop-gc', 'cheeseshop-backup'].each do |unit|
        is_expected.to contain_file("/etc/systemd/system/#{unit}.service.d/puppet.conf")
          .with_content(%r{^Environment="CHEESESHOP_CONFIG=/srv/shop/etc/cheeseshop\.toml"$})
      end
    end
  end

  context 'with what a running server takes over' do
    let(:live) { catalogue.resource('file', '/etc/cheeseshop/conf.d/puppet-live.toml')[:content] }
    let(:params) do
      {
        settings: {
          'log' => { 'filter' => 'debug' }, 'web' => { 'title' => 'Shop' }, 'tls' => { 'minimum_version' => '1.3' },
          'cache' => { 'page_bytes' => '256 MiB' }
        },
        theme_source: 'puppet:///modules/profile/theme',
        tls_certificate: '/etc/cheeseshop/shop.pem', tls_certificate_content: 'PEM',
        tls_key: '/etc/cheeseshop/shop.key', tls_key_content: RSpec::Puppet::Sensitive.new('geheim')
      }
    end

    it { is_expected.to compile.with_all_deps }

    it 'reloads for certificates, theme and log, which have a file of their own, and for nothing else' do
      expect(toml).to include('[cache]')
      expect(toml).not_to match(%r{^\[(log|tls|web)\]$})
      expect(live).to include("\n[log]\nfilter = \"debug\"\n")
        .and include("\n[tls]\ncertificate = \"/etc/cheeseshop/shop.pem\"\nkey = \"/etc/cheeseshop/shop.key\"\nminimum_version = \"1.3\"\n")
        .and include("\n[web]\ntheme = \"/etc/cheeseshop/theme\"\ntitle = \"Shop\"\n")
      expect(live).not_to include('[cache]')
      ['/etc/cheeseshop/conf.d/puppet-live.toml', '/etc/cheeseshop/shop.pem', '/etc/cheeseshop/shop.key', '/etc/cheeseshop/theme'].each do |path|
        is_expected.to contain_file(path).that_notifies('Exec[cheeseshop reload]')
        is_expected.not_to contain_file(path).that_notifies('Service[cheeseshop]')
      end
      is_expected.to contain_file('/etc/cheeseshop/conf.d/puppet-live.toml')
        .with_validate_cmd('/usr/bin/cheeseshop config check --config % --data-dir /var/lib/cheeseshop')
        .that_comes_before('File[/etc/cheeseshop/cheeseshop.toml]')
      is_expected.to contain_exec('cheeseshop reload')
        .with(command: 'cheeseshop config check --config /etc/cheeseshop/cheeseshop.toml && systemctl reload cheeseshop', refreshonly: true).that_requires('Service[cheeseshop]')
    end

    it 'has the key there before the settings name it, for root and the service' do
      is_expected.to contain_file('/etc/cheeseshop/shop.key')
        .with(mode: '0640', group: 'cheeseshop', show_diff: false).that_comes_before('File[/etc/cheeseshop/conf.d/puppet-live.toml]')
    end

    it 'has the theme to itself' do
      is_expected.to contain_file('/etc/cheeseshop/theme')
        .with(source: 'puppet:///modules/profile/theme', recurse: true, purge: true, group: 'cheeseshop')
    end

    context 'in a directory of somebody else' do
      let(:params) { { theme: '/srv/theme' } }

      it { is_expected.not_to contain_file('/srv/theme') }
      it('names it') { expect(live).to include("[web]\ntheme = \"/srv/theme\"\n") }
    end
  end

  context 'with the socket in the hands of systemd' do
    let(:params) { { socket: true, listen: ['localhost:3141', 'http://[::1]:3142', 'unix:/run/cheeseshop/http.sock'] } }
    let(:drop_in) { '/etc/systemd/system/cheeseshop.socket.d/puppet.conf' }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_service('cheeseshop.socket').with(ensure: 'running', enable: true).that_comes_before('Service[cheeseshop]') }

    it 'listens where it is told, and lets nobody else open a socket in the file system' do
      is_expected.to contain_file(drop_in)
        .with_content(%r{^ListenStream=\nListenStream=127\.0\.0\.1:3141\nListenStream=\[::1\]:3142\nListenStream=/run/cheeseshop/http\.sock$})
        .with_content(%r{^SocketUser=cheeseshop$}).with_content(%r{^SocketMode=0600$})
    end

    it 'stops the server before it moves, and not for anything else' do
      stop = { command: 'systemctl stop cheeseshop.socket cheeseshop.service' }
      is_expected.to contain_exec('cheeseshop leaves its address to systemd').with(stop).that_comes_before('Service[cheeseshop.socket]')
      is_expected.to contain_exec('cheeseshop leaves its address for another one')
        .with(stop.merge(refreshonly: true)).that_subscribes_to("File[#{drop_in}]").that_comes_before('Service[cheeseshop.socket]')
      is_expected.not_to contain_file('/etc/cheeseshop/cheeseshop.toml').that_notifies('Service[cheeseshop.socket]')
      is_expected.not_to contain_file('/etc/cheeseshop/cheeseshop.toml').that_notifies('Exec[cheeseshop leaves its address for another one]')
    end

    context 'and TLS' do
      let(:params) { { socket: true, listen: ['https://0.0.0.0:443'] } }

      it { is_expected.to compile.and_raise_error(%r{cannot listen on https}) }
    end
  end

  context 'with the socket taken back' do
    let(:params) { { socket: false } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_service('cheeseshop.socket').with(ensure: 'stopped', enable: false).that_notifies('Service[cheeseshop]') }
    it { is_expected.to contain_file('/etc/systemd/system/cheeseshop.socket.d/puppet.conf').with_ensure('absent') }
  end

  context 'with rules for old releases' do
    let(:params) { { retentions: { 'team-dev' => { 'index' => 'team/dev', 'rule' => '--dev --keep-last 3' } } } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_cheeseshop__retention('team-dev').with_index('team/dev') }
  end

  context 'with what the module of 2016 could do' do
    let(:params) do
      {
        uid: 3141,
        gid: 3142,
        home: '/srv/shop',
        data_dir: '/srv/shop/data',
        listen: ['0.0.0.0:31415', 'unix:/run/cheeseshop/http'],
        http_proxy: 'http://proxy.example:3128',
        no_proxy: 'localhost,.corp.example',
        outside_url: 'https://packages.corp.example/',
      }
    end

    it { is_expected.to compile.with_all_deps }

    it 'makes the user before the package does' do
      is_expected.to contain_group('cheeseshop').with_gid(3142)
      is_expected.to contain_user('cheeseshop').with(uid: 3141, home: '/srv/shop')
    end

    it 'lets the service write there, and gives it the proxies' do
      is_expected.to contain_file('/srv/shop/data').with(owner: 'cheeseshop', mode: '0750')
      is_expected.to contain_file('/etc/systemd/system/cheeseshop.service.d/puppet.conf')
        .with_content(%r{^ReadWritePaths=/srv/shop/data$})
        .with_content(%r{^Environment="http_proxy=http://proxy\.example:3128"$})
        .with_content(%r{^Environment="no_proxy=localhost,\.corp\.example"$})
        .without_content(%r{^User=})
        .that_notifies('Service[cheeseshop]')
    end

    it 'gives the jobs the same rights' do
      ['cheeseshop-gc', 'cheeseshop-backup'].each do |job|
        is_expected.to contain_file("/etc/systemd/system/#{job}.service.d/puppet.conf").with_content(%r{^ReadWritePaths=/srv/shop/data$})
      end
    end

    it 'listens where it is told' do
      expect(toml).to include('listen = ["0.0.0.0:31415", "unix:/run/cheeseshop/http"]')
      expect(toml).to include('outside_url = "https://packages.corp.example/"')
    end
  end

  context 'with secrets' do
    let(:params) do
      {
        mirror_proxy: RSpec::Puppet::Sensitive.new('http://bob:geheim@proxy.example:3128'),
        secrets: { 'database.url' => RSpec::Puppet::Sensitive.new('postgres://shop:geheim@db.example/shop') },
        root_password: RSpec::Puppet::Sensitive.new('sehr geheim'),
        settings: { 'database' => { 'max_readers' => 4 }, 'auth.argon2' => { 'iterations' => 4 } },
      }
    end

    it { is_expected.to compile.with_all_deps }

    it 'keeps each in a file that only the service reads' do
      is_expected.to contain_file('/etc/cheeseshop/secrets/database.url').with(mode: '0640', show_diff: false, group: 'cheeseshop')
      is_expected.to contain_file('/etc/cheeseshop/secrets/mirror.proxy').that_comes_before('File[/etc/cheeseshop/cheeseshop.toml]')
      expect(toml).to include("[database]\nmax_readers = 4\nurl_file = \"/etc/cheeseshop/secrets/database.url\"\n")
      expect(toml).to include('proxy_file = "/etc/cheeseshop/secrets/mirror.proxy"')
      expect(toml).to include("[auth.argon2]\niterations = 4\n")
      expect(toml).not_to include('geheim')
    end

    it 'has the password of root there before a package starts a server' do
      is_expected.to contain_file('/etc/cheeseshop/root.password').that_comes_before('Package[cheeseshop]')
      is_expected.to contain_file('/etc/systemd/system/cheeseshop.service.d/puppet-root.conf')
        .with_content(%r{^LoadCredential=root-password:/etc/cheeseshop/root\.password$})
        .with_content(%r{^Environment="CHEESESHOP_AUTH__ROOT_PASSWORD_FILE=credential:root-password"$})
        .that_comes_before('Package[cheeseshop]')
      # It is for the first start: a change is no reason for another one.
      is_expected.not_to contain_file('/etc/cheeseshop/root.password').that_notifies('Service[cheeseshop]')
    end

    it 'keeps the password of root for root' do
      is_expected.to contain_file('/etc/cheeseshop/root.password').with(mode: '0600', owner: 'root', show_diff: false)
      is_expected.to contain_file('/etc/cheeseshop/puppet.json').with_mode('0600').without_content(%r{geheim})
      command = catalogue.resource('exec', 'cheeseshop password of root')
      expect(command[:command]).to include('runuser -u cheeseshop').and include('< /etc/cheeseshop/root.password')
      expect(command[:command] + command[:unless]).not_to include('geheim')
      expect(command[:unless]).to start_with('env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY DEVPI_CLIENTDIR=/nonexistent ')
    end
  end

  context 'as one of several nodes' do
    let(:params) do
      {
        listen: ['0.0.0.0:3141'],
        trusted_proxies: ['127.0.0.0/8', '10.0.0.7'],
        database: RSpec::Puppet::Sensitive.new('postgres://shop:geheim@db.example/shop'),
        blobs: {
          'bucket' => 'shop', 'endpoint' => 'https://s3.example/', 'access_key' => 'shop',
          'secret_key' => RSpec::Puppet::Sensitive.new('geheim')
        },
      }
    end

    it { is_expected.to compile.with_all_deps }

    it 'says where everything is, and keeps secrets in files of their own' do
      expect(toml).to include("[blobs]\naccess_key = \"shop\"\nbucket = \"shop\"\nendpoint = \"https://s3.example/\"\nkind = \"s3\"\n" \
                              "secret_key_file = \"/etc/cheeseshop/secrets/blobs.secret_key\"\n")
        .and include("[database]\nurl_file = \"/etc/cheeseshop/secrets/database.url\"\n")
        .and include('trusted_proxies = ["127.0.0.0/8", "10.0.0.7"]')
      expect(toml).not_to include('geheim')
      ['blobs.secret_key', 'database.url'].each do |name|
        is_expected.to contain_file("/etc/cheeseshop/secrets/#{name}").with(mode: '0640', show_diff: false)
      end
    end
  end

  context 'with blobs elsewhere' do
    let(:params) { { blobs: { 'path' => '/srv/blobs' } } }

    it { is_expected.to compile.with_all_deps }

    it 'makes the directory, and lets service and jobs write there' do
      expect(toml).to include("[blobs]\npath = \"/srv/blobs\"\n")
      is_expected.to contain_file('/srv/blobs').with(owner: 'cheeseshop', mode: '0750').that_comes_before('Service[cheeseshop]')
      ['cheeseshop', 'cheeseshop-gc', 'cheeseshop-backup'].each do |unit|
        is_expected.to contain_file("/etc/systemd/system/#{unit}.service.d/puppet.conf").with_content(%r{^ReadWritePaths=/srv/blobs$})
      end
    end
  end

  context 'with TLS alone' do
    let(:params) { { listen: ['https://0.0.0.0:443'], tls_certificate: '/etc/shop.pem', root_password: RSpec::Puppet::Sensitive.new('sehr geheim') } }

    it { is_expected.to compile.and_raise_error(%r{needs an address of the server}) }

    context 'and a name' do
      let(:params) { super().merge(outside_url: 'https://packages.corp.example/') }

      it { is_expected.to compile.with_all_deps }
      it { is_expected.to contain_file('/etc/cheeseshop/puppet.json').with_content(%r{"url": "https://packages\.corp\.example/"}) }
    end
  end

  context 'with TLS beside an address without' do
    let(:url) { catalogue.resource('file', '/etc/cheeseshop/puppet.json')[:content][%r{"url": "(.*)"}, 1] }
    let(:params) do
      {
        listen: ['127.0.0.1:3141', 'https://0.0.0.0:443'], tls_certificate: '/etc/shop.pem', outside_url: 'https://packages.corp.example/',
        root_password: RSpec::Puppet::Sensitive.new('sehr geheim')
      }
    end

    it('goes where logins are taken') { expect(url).to eq('https://packages.corp.example/') }

    it 'goes to the other where that takes them too' do
      params[:settings] = { 'tls' => { 'plain_http' => 'serve' } }
      expect(url).to eq('http://127.0.0.1:3141/')
    end

    it 'goes where it is told' do
      params[:api_url] = 'https://localhost/'
      expect(url).to eq('https://localhost/')
    end
  end

  context 'with users, layouts, indexes and tokens' do
    let(:params) do
      {
        root_password: RSpec::Puppet::Sensitive.new('sehr geheim'),
        root_pypi_url: 'https://upstream.example/simple/',
        users: { 'team' => { 'email' => 'team@corp.example' } },
        layouts: { 'team' => { 'content' => 'version = 1' } },
        indexes: { 'team/dev' => { 'bases' => ['root/pypi'], 'acl_upload' => ['team'] } },
        tokens: { 'ci' => { 'user' => 'team', 'path' => '/etc/ci.token', 'indexes' => ['team/dev'] } },
      }
    end

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_cheeseshop_user('team').with_email('team@corp.example') }
    it { is_expected.to contain_cheeseshop_layout('team') }
    it { is_expected.to contain_cheeseshop_index('team/dev').with_bases(['root/pypi']) }
    it { is_expected.to contain_cheeseshop_index('root/pypi').with_mirror_url('https://upstream.example/simple/') }
    it { is_expected.to contain_cheeseshop_token('ci').with_path('/etc/ci.token') }

    it 'orders them' do
      # rspec-puppet counts what types require by themselves.
      is_expected.to contain_cheeseshop_user('team').that_requires('Service[cheeseshop]')
      is_expected.to contain_cheeseshop_user('team').that_requires('Exec[cheeseshop password of root]')
      is_expected.to contain_cheeseshop_layout('team').that_requires('Cheeseshop_user[team]')
      is_expected.to contain_cheeseshop_index('team/dev').that_requires('Cheeseshop_layout[team]')
      is_expected.to contain_cheeseshop_token('ci').that_requires('Cheeseshop_index[team/dev]')
    end
  end

  context 'where there is no package' do
    let(:facts) { REDHAT }
    let(:pre_condition) { "class { 'cheeseshop::install': binary_source => 'puppet:///modules/profile/cheeseshop' }" }

    it { is_expected.to compile.with_all_deps }

    it 'brings user and unit itself' do
      is_expected.to contain_user('cheeseshop').that_comes_before('Class[cheeseshop::install]')
      is_expected.to contain_file('/etc/systemd/system/cheeseshop.service')
        .with_source('puppet:///modules/cheeseshop/cheeseshop.service').that_notifies('Service[cheeseshop]')
      is_expected.to contain_file('/etc/systemd/system/cheeseshop-retention@.timer')
    end

    it('runs a new program') { is_expected.to contain_file('/usr/bin/cheeseshop').that_notifies('Service[cheeseshop]') }

    it 'has a source for each file that it brings' do
      sources = catalogue.resources.map { |resource| resource[:source] }.compact.grep(%r{\Apuppet:///modules/cheeseshop/})
      expect(sources.map { |source| File.exist?(File.join(MODULE, 'files', File.basename(source))) }).to all(be true)
    end
  end

  {
    'a port that is none' => { port: 0 },
    'a password in the open' => { root_password: 'geheim' },
    'a variable with a line break' => { environment: { 'A' => "b\nUser=root" } },
    'an index without a user' => { indexes: { 'dev' => {} } },
    'a section that is none' => { settings: { 'a]' => {} } },
    'a password that the server would refuse' => { root_password: RSpec::Puppet::Sensitive.new('geheim') },
    'a password of three letters' => { root_password: RSpec::Puppet::Sensitive.new('abcabcabc') },
    'a password with a line break' => { root_password: RSpec::Puppet::Sensitive.new("sehr\ngeheim") },
    'an address of another kind' => { listen: ['ftp://0.0.0.0:3141'] },
    'a name of a user with a space' => { user: 'a b' },
    'a data directory that is no path' => { data_dir: 'data' },
    'a URL without a host' => { outside_url: 'packages' },
    'a state of the service that is none' => { service_ensure: 'restarted' },
    'a number of a user that is none' => { uid: '3141' },
    'a token that is a text' => { tokens: { 'ci' => 'team' } },
    'a theme from nowhere' => { theme_source: 'theme' },
    'a database of another kind' => { database: RSpec::Puppet::Sensitive.new('mysql://shop:geheim@db.example/shop') },
    'a database in the open' => { database: 'postgres://shop:geheim@db.example/shop' },
    'a bucket and a directory' => { blobs: { 'bucket' => 'shop', 'path' => '/srv/blobs' } },
    'a key that a store does not have' => { blobs: { 'bucket' => 'shop', 'buckets' => 2 } },
    'a proxy that is no address' => { trusted_proxies: ['proxy.example'] },
    'a proxy with a password in the open' => { http_proxy: 'http://bob:geheim@proxy.example' },
    'a proxy of mirrors with a password in the open' => { mirror_proxy: 'http://bob:geheim@proxy.example' },
    'an upstream with a password in the open' => { root_pypi_url: 'http://bob:geheim@upstream.example/simple/' },
    'an address of the server with a password' => { api_url: 'http://root:geheim@127.0.0.1:3141/' },
    'a URL for users with a password' => { outside_url: 'https://root:geheim@packages.example/' },
    'a variable with a password' => { environment: { 'CHEESESHOP_DATABASE__URL' => 'postgres://shop:geheim@db.example/shop' } },
    'a variable that is a secret' => { environment: { 'CHEESESHOP_BLOBS__SECRET_KEY' => 'geheim' } },
    'a setting with a password' => { settings: { 'database' => { 'url' => 'postgres://shop:geheim@db.example/shop' } } },
    'a setting that is a secret' => { settings: { 'blobs' => { 'kind' => 's3', 'secret_key' => 'geheim' } } },
    'a secret in the open' => { secrets: { 'a.b' => 'geheim' } },
    'a secret key in the open' => { blobs: { 'bucket' => 'shop', 'secret_key' => 'geheim' } },
    'the password of a user in the open' => { users: { 'anna' => { 'password' => 'geheim' } } },
    'a theme that is no path' => { theme: 'theme' },
    'a rule that is no option' => { retentions: { 'a' => { 'index' => 'a/b', 'rule' => "--dev\nINDEX=x" } } },
  }.each do |what, wrong|
    context "with #{what}" do
      let(:params) { wrong }

      it 'says so, and repeats no secret' do
        expect { catalogue }.to raise_error(Puppet::Error) { |error|
          expect(error.message).to match(%r{expects|parameter|Sensitive|login in it|four different})
          expect(error.message).not_to include('geheim')
        }
      end
    end
  end

  context 'with a database whose user needs no password' do
    let(:params) { { settings: { 'database' => { 'url' => 'postgres://shop@db.example/shop' } } } }

    it { is_expected.to compile.with_all_deps }
  end

  context 'with nothing but Hiera' do
    let(:hiera_config) { File.join(MODULE, 'spec/fixtures/hiera.yaml') }
    let(:pre_condition) { "class { 'cheeseshop::nginx': }\nclass { 'cheeseshop::client': }\nclass { 'cheeseshop::backup': }" }

    it { is_expected.to compile.with_all_deps }

    it 'takes secrets for secrets' do
      expect(catalogue.resource('cheeseshop_user', 'team')[:email]).to eq('team@corp.example')
      expect(catalogue.resource('file', '/etc/cheeseshop/secrets/database.url')[:content]).to eq('postgres://shop:geheim@db.example/shop')
      expect(catalogue.resource('file', '/etc/cheeseshop/secrets/blobs.secret_key')[:content]).to eq('geheim-key')
      expect(catalogue.resource('file', '/etc/cheeseshop/secrets/mirror.proxy')[:content]).to eq('http://bob:geheim@proxy.example:3128')
      # All that the agent is sent, but for what is marked as a secret.
      seen = catalogue.to_resource.resources.map { |resource|
        resource.to_hash.reject { |key, value| resource.sensitive_parameters.include?(key) || value.is_a?(Puppet::Pops::Types::PSensitiveType::Sensitive) }
      }
      expect(seen.inspect).not_to include('geheim')
    end
  end

  on_supported_os.each do |system, facts|
    context "on #{system}" do
      let(:facts) { facts }
      let(:pre_condition) { "class { 'cheeseshop::install': binary_source => '/opt/cheeseshop' }" }

      it { is_expected.to compile.with_all_deps }

      it 'has a package where there is one' do
        has_package = facts['os']['family'] == 'Debian'
        expect(catalogue.resource('package', 'cheeseshop').nil?).to be(!has_package)
      end
    end
  end
end
