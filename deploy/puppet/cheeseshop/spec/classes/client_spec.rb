# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop::client' do
  let(:params) { { url: 'https://packages.corp.example', index: 'shared/stable' } }

  it { is_expected.to compile.with_all_deps }
  it { is_expected.to contain_package('cheeseshop') }

  it 'points pip and uv at the index, and shells at the server' do
    is_expected.to contain_file('/etc/pip.conf')
      .with_content(%r{^index-url = https://packages\.corp\.example/shared/stable/\+simple/$}).without_content(%r{cert})
    is_expected.to contain_file('/etc/uv/uv.toml')
      .with_content(%r{^url = "https://packages\.corp\.example/shared/stable/\+simple/"$}).without_content(%r{native-tls|system-certs})
    is_expected.to contain_file('/etc/profile.d/cheeseshop-server.sh')
      .with_content(%r{^export CHEESESHOP_URL=https://packages\.corp\.example/$})
  end

  context 'with an authority of the company' do
    let(:params) { super().merge(ca_certificate: "-----BEGIN CERTIFICATE-----\n", pip_settings: { 'timeout' => 60 }) }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_file('/usr/local/share/ca-certificates/cheeseshop.crt').that_notifies('Exec[cheeseshop authorities]') }
    it { is_expected.to contain_exec('cheeseshop authorities').with(command: '/usr/sbin/update-ca-certificates', refreshonly: true) }
    it { is_expected.to contain_file('/etc/pip.conf').with_content(%r{^cert = /etc/ssl/certs/ca-certificates\.crt$}).with_content(%r{^timeout = 60$}) }
    it { is_expected.to contain_file('/etc/uv/uv.toml').with_content(%r{^system-certs = true$}).without_content(%r{native-tls}) }
  end

  context 'with a uv of before 0.11' do
    let(:facts) { DEBIAN.merge('cheeseshop_uv' => '0.10.12') }
    let(:params) { super().merge(ca_certificate: "-----BEGIN CERTIFICATE-----\n") }

    it('says it in its words') { is_expected.to contain_file('/etc/uv/uv.toml').with_content(%r{^native-tls = true$}).without_content(%r{system-certs}) }

    context 'of which the other is to be said' do
      let(:params) { super().merge(uv_certificates: 'system-certs') }

      it { is_expected.to contain_file('/etc/uv/uv.toml').with_content(%r{^system-certs = true$}) }
    end
  end

  context 'when it shall end' do
    let(:params) { super().merge(ensure: 'absent', ca_certificate: "-----BEGIN CERTIFICATE-----\n") }

    it { is_expected.to compile.with_all_deps }

    it 'takes away what it has written, and no more' do
      files = catalogue.resources.select { |resource| resource.type == 'File' }
      expect(files.map(&:title)).to contain_exactly(
        '/etc/pip.conf', '/etc/uv/uv.toml', '/etc/profile.d/cheeseshop-server.sh', '/usr/local/share/ca-certificates/cheeseshop.crt'
      )
      expect(files.map { |file| file[:ensure] }.uniq).to eq(['absent'])
      is_expected.to have_package_resource_count(0)
    end
  end

  context 'with a login in the URL' do
    let(:params) { super().merge(url: 'https://bob:geheim@packages.corp.example/') }

    it { is_expected.to compile.and_raise_error(%r{everybody could read}) }
  end

  context 'with nothing managed' do
    let(:params) { super().merge(manage_pip: false, manage_uv: false, manage_devpi_use: false, manage_program: false) }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to have_file_resource_count(0) }
    it { is_expected.to have_package_resource_count(0) }
  end

  context 'beside the server' do
    let(:pre_condition) { 'include cheeseshop' }

    it { is_expected.to compile.with_all_deps }
  end

  {
    url: 'packages', index: 'stable', ca_certificate: '/etc/ssl/corp-ca.pem', uv_certificates: 'none', pip_settings: { 'timeout' => "60\n[other]" },
    manage_pip: 'no', ensure: 'gone'
  }.each do |name, wrong|
    context "with #{name} => #{wrong.inspect}" do
      let(:params) { super().merge(name => wrong) }

      it { is_expected.to compile.and_raise_error(%r{expects}) }
    end
  end
end
