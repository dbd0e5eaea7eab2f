# frozen_string_literal: true

require 'spec_helper'

describe 'cheeseshop::install' do
  it { is_expected.to compile.with_all_deps }
  it { is_expected.to contain_package('cheeseshop').with(ensure: 'installed', source: nil) }

  context 'with a package on the machine' do
    let(:params) { { package_source: '/opt/cheeseshop.deb', package_ensure: '1.2-1' } }

    it { is_expected.to contain_package('cheeseshop').with(ensure: '1.2-1', source: '/opt/cheeseshop.deb') }
  end

  context 'with a program as a file' do
    let(:params) { { install_method: 'binary', binary_source: 'puppet:///modules/profile/cheeseshop' } }

    it { is_expected.to contain_file('/usr/bin/cheeseshop').with(mode: '0755', owner: 'root') }
    it { is_expected.to have_package_resource_count(0) }
  end

  context 'where there is no package' do
    let(:facts) { REDHAT }

    it { is_expected.to compile.and_raise_error(%r{binary_source}) }
  end

  context 'when somebody else installs it' do
    let(:params) { { install_method: 'none' } }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.to have_package_resource_count(0) }
  end
end
