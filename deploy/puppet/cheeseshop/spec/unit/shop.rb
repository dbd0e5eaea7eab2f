# frozen_string_literal: true

require 'spec_helper'
require 'json'
require 'open3'
require 'puppet_x/cheeseshop/client'

# A real server that is thrown away, and catalogs applied to it.
module Shop
  PROGRAM = ENV.fetch('CHEESESHOP_PROGRAM', 'cheeseshop')

  # One server for all examples, each of which takes names of its own.
  def self.server
    @server ||= begin
      input, output, = Open3.popen2(ENV.to_h.slice('PATH', 'HOME'), PROGRAM, 'serve', '--ephemeral', unsetenv_others: true, err: File::NULL)
      JSON.parse(output.gets).merge('pipes' => [input, output])
    end
  end

  def directory
    @directory ||= Dir.mktmpdir('cheeseshop-spec')
  end

  def file(name, text, mode = 0o600)
    path = File.join(directory, name)
    File.write(path, text)
    File.chmod(mode, path)
    path
  end

  def settings(changes = {})
    password = file('password', "#{Shop.server['users']['root']['password']}\n")
    document = { 'url' => Shop.server['url'], 'password_file' => password, 'program' => PROGRAM, 'wait' => 0 }
    ENV['CHEESESHOP_PUPPET_SETTINGS'] = file('puppet.json', JSON.generate(document.merge(changes)))
    PuppetX::Cheeseshop::Client.forget
  end

  # Applies resources, and gives what was changed: titles with properties.
  def apply(*resources, noop: false)
    @logs = []
    Puppet::Util::Log.close_all
    Puppet::Util::Log.newdestination(Puppet::Test::LogCollector.new(@logs))
    Puppet::Util::Log.level = :debug
    catalog = Puppet::Resource::Catalog.new('shop')
    resources.each { |type, name, values| catalog.add_resource(Puppet::Type.type(type).new(values.merge(name: name, noop: noop))) }
    report = catalog.apply.report
    @reported = report.to_data_hash.inspect
    statuses = report.resource_statuses.values
    @failed = statuses.select { |status| status.failed? || status.failed_to_restart || status.skipped }.map(&:title)
    statuses.flat_map { |status| status.events.reject { |event| event.status == 'failure' }.map { |event| "#{status.title} #{event.property}" } }
  ensure
    Puppet::Util::Log.close_all
    PuppetX::Cheeseshop::Client.forget
  end

  # `reported` is the report as it goes to Puppet's server.
  attr_reader :failed, :reported

  def logged
    @logs.map(&:to_s).join("\n")
  end

  # What the server says, without any of the code that is tested.
  def users
    PuppetX::Cheeseshop::Client.forget
    PuppetX::Cheeseshop::Client.current.open.users
  end

  def index(name)
    users.dig(name.split('/')[0], 'indexes', name.split('/')[1])
  end

  def self.included(group)
    group.before do
      # rspec-puppet gives Puppet no place to remember anything.
      Puppet[:statedir] = directory
      Puppet[:statefile] = File.join(directory, 'state.yaml')
      Puppet[:transactionstorefile] = File.join(directory, 'transactionstore.yaml')
      settings
    end
    group.after do
      PuppetX::Cheeseshop::Client.forget
      FileUtils.rm_rf(directory)
      ENV.delete('CHEESESHOP_PUPPET_SETTINGS')
    end
  end
end
