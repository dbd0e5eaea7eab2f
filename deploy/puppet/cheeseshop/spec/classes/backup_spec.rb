# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop::backup' do
  let(:timer) { '/etc/systemd/system/cheeseshop-backup.timer.d/puppet.conf' }

  it { is_expected.to compile.with_all_deps }
  it { is_expected.to contain_service('cheeseshop-backup.timer').with(ensure: 'running', enable: true) }
  it { is_expected.to contain_file('/var/backups/cheeseshop').with(ensure: 'directory', owner: 'cheeseshop', mode: '0700') }
  it { is_expected.to contain_file(timer).with_ensure('absent') }

  it 'says where, and lets the job write there' do
    is_expected.to contain_file('/etc/cheeseshop/conf.d/puppet-backup.toml').with_content(%r{^\[backup\]\ndirectory = "/var/backups/cheeseshop"$})
    is_expected.to contain_file('/etc/systemd/system/cheeseshop-backup.service.d/puppet-backup.conf')
      .with_content(%r{^ReadWritePaths=/var/backups/cheeseshop$})
  end

  context 'with rules of its own' do
    let(:params) { { directory: '/srv/backup', keep: 30, keep_days: 90, on_calendar: '*-*-* 04:00' } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_file('/etc/cheeseshop/conf.d/puppet-backup.toml').with_content(%r{^keep = 30\nkeep_days = 90$}) }
    it { is_expected.to contain_file(timer).with_content(%r{^OnCalendar=\nOnCalendar=\*-\*-\* 04:00$}).that_notifies('Service[cheeseshop-backup.timer]') }
  end

  context 'when they shall end' do
    let(:params) { { ensure: 'absent' } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to contain_service('cheeseshop-backup.timer').with(ensure: 'stopped', enable: false) }
    it { is_expected.to contain_file('/etc/cheeseshop/conf.d/puppet-backup.toml').with_ensure('absent') }
    it { is_expected.not_to contain_file('/var/backups/cheeseshop') }
  end

  { directory: 'backups', keep: 0, keep_days: 'all', on_calendar: "daily\nOnCalendar=hourly", mode: 'rwx' }.each do |name, wrong|
    context "with #{name} => #{wrong.inspect}" do
      let(:params) { { name => wrong } }

      it { is_expected.to compile.and_raise_error(%r{expects}) }
    end
  end
end
