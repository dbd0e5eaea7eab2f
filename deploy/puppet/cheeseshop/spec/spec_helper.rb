# frozen_string_literal: true

# Debian's Puppet does not load these by itself.
require 'hocon'
require 'hocon/config_factory'
require 'json'
require 'puppet'
require 'rspec-puppet'
require 'tmpdir'

MODULE = File.expand_path('..', __dir__)
COMMON_FACTS = { 'path' => '/usr/bin:/bin', 'networking' => { 'fqdn' => 'index.test' } }.freeze

# The facts by which the module's data and code tell systems apart, of each system in metadata.json. facterdb, as
# Debian has it, knows one of them.
def on_supported_os
  metadata = JSON.parse(File.read(File.join(MODULE, 'metadata.json')))
  metadata['operatingsystem_support'].flat_map { |system|
    name = system['operatingsystem']
    family = ['Debian', 'Ubuntu'].include?(name) ? 'Debian' : 'RedHat'
    system['operatingsystemrelease'].map do |release|
      os = { 'name' => name, 'family' => family, 'release' => { 'major' => release, 'full' => release } }
      ["#{name} #{release}", COMMON_FACTS.merge('os' => os)]
    end
  }.to_h
end
DEBIAN = on_supported_os['Debian 12']
REDHAT = on_supported_os['Rocky 9']

RSpec.configure do |config|
  config.module_path = [File.dirname(MODULE), '/usr/share/puppet/modules'].join(':')
  config.default_facts = DEBIAN
  config.strict_variables = true
  # It would link the module into itself, and every test would run twice.
  config.setup_fixtures = false
  # What hosts a test leaves out would be an accident.
  config.mock_with :rspec
end

$LOAD_PATH.unshift(File.join(MODULE, 'lib'))
