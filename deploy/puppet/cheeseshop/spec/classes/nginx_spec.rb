# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop::nginx' do
  let(:params) { { server_name: 'packages.corp.example' } }
  let(:command) { catalogue.resource('exec', 'cheeseshop gen-config /etc/nginx/conf.d/cheeseshop.conf')[:command] }

  it { is_expected.to compile.with_all_deps }
  it { is_expected.to contain_package('nginx') }
  it { is_expected.to contain_service('nginx').with(ensure: 'running', enable: true) }
  it { is_expected.to contain_exec('cheeseshop gen-config /etc/nginx/conf.d/cheeseshop.conf').that_notifies('Service[nginx]') }

  it 'leaves the default site alone and accounts open' do
    is_expected.not_to contain_file('/etc/nginx/sites-enabled/default')
    expect(command).not_to include('--immutable-accounts')
  end

  it 'asks for TLS and a redirect' do
    expect(command).to include(
      '--server-name packages.corp.example --certificate /etc/ssl/certs/packages.corp.example.pem ' \
      '--key /etc/ssl/private/packages.corp.example.key --listen 443 --redirect-from 80'
    )
  end

  context 'with what the module of 2016 could do' do
    let(:params) do
      {
        server_name: 'packages.corp.example', aliases: ['pypi'], https_port: 31_443, http_port: 31_415,
        default_site: true, immutable_accounts: true, certificate_content: 'PEM', key_content: RSpec::Puppet::Sensitive.new('geheim')
      }
    end

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_file('/etc/nginx/sites-enabled/default').with_ensure('absent') }

    it 'hands them on' do
      expect(command).to include('--server-name packages.corp.example,pypi')
        .and include('--listen 31443 --redirect-from 31415').and include('--immutable-accounts')
    end

    it 'writes the key for root, and has nginx read it anew' do
      is_expected.to contain_file('/etc/ssl/private/packages.corp.example.key')
        .with(mode: '0600', show_diff: false).that_notifies('Service[nginx]')
      is_expected.to contain_file('/etc/ssl/certs/packages.corp.example.pem').that_notifies('Service[nginx]')
      expect(command).not_to include('geheim')
    end
  end

  context 'in front of several servers' do
    let(:params) { super().merge(nodes: ['shop1.corp.example', 'shop2.corp.example:3142', 'https://shop3.corp.example', '[2001:db8::1]', 'unix:/run/shop']) }

    it { is_expected.to compile.with_all_deps }

    it 'names each with its port' do
      expect(command).to include(
        '--node shop1.corp.example:3141 --node shop2.corp.example:3142 --node https://shop3.corp.example:3141 ' \
        '--node "[2001:db8::1]:3141" --node unix:/run/shop'
      )
    end

    it 'cannot send files that they have' do
      params[:send_files] = true
      is_expected.to compile.and_raise_error(%r{one server})
    end

    it 'takes no address that is none' do
      params[:nodes] = ['shop1; include /etc/passwd']
      is_expected.to compile.and_raise_error(%r{expects})
    end
  end

  context 'when it shall end' do
    let(:params) { super().merge(ensure: 'absent', default_site: true, certificate_content: 'PEM', key_content: RSpec::Puppet::Sensitive.new('geheim')) }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_file('/etc/nginx/conf.d/cheeseshop.conf').with_ensure('absent').that_notifies('Service[nginx]') }
    it { is_expected.not_to contain_file('/etc/ssl/private/packages.corp.example.key') }
    it { is_expected.not_to contain_file('/etc/nginx/sites-enabled/default') }
  end

  context 'without TLS' do
    let(:params) { super().merge(tls: false, http_port: '10.0.0.1:8080') }

    it 'needs a port' do
      params[:http_port] = false
      is_expected.to compile.and_raise_error(%r{nothing is left to listen on})
    end

    it('says so') { expect(command).to include('--plain-http --listen 10.0.0.1:8080').and satisfy { |text| !text.include?('--key') } }
  end

  context 'with files that nginx sends itself' do
    let(:params) { super().merge(send_files: true) }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_package('acl').that_comes_before('Exec[files for www-data]') }

    it 'gives nginx a right to the files, and no place in the group' do
      is_expected.to contain_file('/var/lib/cheeseshop/blobs').with(owner: 'cheeseshop', mode: '0750')
      is_expected.to contain_exec('files for www-data').with_command(
        'setfacl -m u:www-data:x /var/lib/cheeseshop && setfacl -R -m u:www-data:rX,d:u:www-data:rX /var/lib/cheeseshop/blobs'
      ).with_unless(%r{getfacl}).that_requires('File[/var/lib/cheeseshop/blobs]')
      expect(catalogue.resources.map(&:to_s).grep(%r{usermod| in cheeseshop})).to eq([])
    end

    context 'that are elsewhere' do
      let(:pre_condition) { "class { 'cheeseshop': settings => { 'blobs' => { 'path' => '/srv/blobs' } } }" }

      it { is_expected.to contain_exec('files for www-data').with_command(%r{ /srv/blobs$}) }
    end
  end

  context 'with everything else' do
    let(:params) do
      super().merge(
        http_port: false, login_rate: 5, allow_status: ['10.0.0.0/8', '127.0.0.1'], client_ca: '/etc/ssl/ca.pem',
        client_certificates: 'optional', cache: '/var/cache/nginx/shop', acme_root: '/var/www/acme', manage_package: false, manage_service: false
      )
    end

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to have_package_resource_count(1) }
    it { is_expected.not_to contain_service('nginx') }

    it 'hands it on' do
      expect(command).to include('--redirect-from none').and include('--login-rate 5').and include('--client-ca /etc/ssl/ca.pem')
        .and include('--client-certificates optional').and include('--allow-status 10.0.0.0/8 --allow-status 127.0.0.1')
        .and include('--cache /var/cache/nginx/shop').and include('--acme-root /var/www/acme')
    end
  end

  {
    server_name: 'packages corp', https_port: 70_000, http_port: true, login_rate: -1, allow_status: 'all', client_certificates: 'maybe',
    cache: 'cache', key_content: 'geheim', config_file: 'cheeseshop.conf', immutable_accounts: 'yes', ensure: 'gone', nodes: 'shop1'
  }.each do |name, wrong|
    it "refuses #{name} => #{wrong.inspect}, and repeats no secret" do
      params[name] = wrong
      expect { catalogue }.to raise_error(Puppet::Error) { |error|
        expect(error.message).to match(%r{expects})
        expect(error.message).not_to include('geheim')
      }
    end
  end
end
