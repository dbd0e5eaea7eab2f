# frozen_string_literal: true

require 'spec_helper'
require 'facter'

describe 'cheeseshop_uv' do
  let(:directory) { Dir.mktmpdir('cheeseshop-spec') }

  around do |example|
    path = ENV.fetch('PATH')
    ENV['PATH'] = [directory, path].join(':')
    example.run
    ENV['PATH'] = path
    FileUtils.rm_rf(directory)
  end

  def version
    Facter.clear
    load File.join(MODULE, 'lib/facter/cheeseshop_uv.rb')
    Facter.value(:cheeseshop_uv)
  end

  def program(text)
    path = File.join(directory, 'uv')
    File.write(path, "#!/bin/sh\n#{text}\n")
    File.chmod(0o755, path)
  end

  it 'is what the program says' do
    program("echo 'uv 0.10.12 (0123abcd 2026-02-01)'")
    expect(version).to eq('0.10.12')
  end

  it 'is nothing where there is none, or a broken one' do
    expect(version).to be_nil
    program('exit 3')
    expect(version).to be_nil
  end
end
