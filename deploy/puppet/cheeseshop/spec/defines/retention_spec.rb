# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop::retention' do
  let(:title) { 'team-dev' }
  let(:params) { { index: 'team/dev', rule: '--dev --older-than 90d --keep-last 3' } }
  let(:rule) { '/etc/cheeseshop/retention/team-dev.conf' }
  let(:timer) { 'cheeseshop-retention@team-dev.timer' }

  it { is_expected.to compile.with_all_deps }
  it { is_expected.to contain_service(timer).with(ensure: 'running', enable: true) }
  it { is_expected.to contain_file(rule).with_content(%r{^INDEX=http://127\.0\.0\.1:3141/team/dev\nRULE=--dev --older-than 90d --keep-last 3$}) }

  it 'has a token that may do that and nothing else' do
    is_expected.to contain_cheeseshop_token('retention team-dev').with(
      ensure: 'present', user: 'team', path: '/etc/cheeseshop/retention/team-dev.token', indexes: ['team/dev'],
      allowed: ['pkg_read', 'del_verdata', 'del_project']
    ).that_comes_before("Service[#{timer}]").that_requires('Service[cheeseshop]')
  end

  context 'with the token of somebody else' do
    let(:params) { super().merge(user: 'cleaner') }

    it { is_expected.to contain_cheeseshop_token('retention team-dev').with_user('cleaner') }
  end

  it { is_expected.to contain_file(rule).without_content(/SSL_CERT_FILE/) }

  context 'with authorities of the company' do
    let(:params) { super().merge(ca_bundle: '/etc/ssl/corp-ca.pem') }

    it { is_expected.to contain_file(rule).with_content(%r{^SSL_CERT_FILE=/etc/ssl/corp-ca\.pem$}) }
  end

  context 'at another time' do
    let(:params) { super().merge(on_calendar: 'Mon 05:00') }

    it { is_expected.to compile.with_all_deps }

    it 'says so to systemd' do
      is_expected.to contain_file("/etc/systemd/system/#{timer}.d/puppet.conf")
        .with_content(%r{^OnCalendar=\nOnCalendar=Mon 05:00$}).that_notifies("Service[#{timer}]")
    end
  end

  context 'when it shall end' do
    let(:params) { super().merge(ensure: 'absent') }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_service(timer).with(ensure: 'stopped', enable: false) }
    it { is_expected.to contain_file(rule).with_ensure('absent') }
    it { is_expected.to contain_cheeseshop_token('retention team-dev').with_ensure('absent') }
  end

  {
    'a name that systemd would read otherwise' => ['../x', {}],
    'a rule of several lines' => ['x', { rule: "--dev\nINDEX=http://other.test/" }],
    'a rule without an option' => ['x', { rule: 'team/other' }],
  }.each do |what, (name, wrong)|
    context "with #{what}" do
      let(:title) { name }
      let(:params) { super().merge(wrong) }

      it { is_expected.to compile.and_raise_error(%r{expects a match|no name of a rule}) }
    end
  end
end
