# frozen_string_literal: true

# Debian's Puppet does not load these by itself.
require 'hocon'
require 'hocon/config_factory'
require 'puppet'
require 'rspec-puppet'
require 'tmpdir'

MODULE = File.expand_path('..', __dir__)
DEBIAN = { 'os' => { 'name' => 'Debian', 'family' => 'Debian', 'release' => { 'major' => '12', 'full' => '12.5' } } }.freeze
REDHAT = { 'os' => { 'name' => 'Rocky', 'family' => 'RedHat', 'release' => { 'major' => '9', 'full' => '9.4' } } }.freeze

RSpec.configure do |config|
  config.module_path = [File.dirname(MODULE), '/usr/share/puppet/modules'].join(':')
  config.default_facts = DEBIAN.merge('path' => '/usr/bin:/bin', 'networking' => { 'fqdn' => 'index.test' })
  config.strict_variables = true
  # It would link the module into itself, and every test would run twice.
  config.setup_fixtures = false
  # What hosts a test leaves out would be an accident.
  config.mock_with :rspec
end

$LOAD_PATH.unshift(File.join(MODULE, 'lib'))
