# frozen_string_literal: true

require_relative 'client'
require_relative 'resources'
require_relative 'toml'

module PuppetX::Cheeseshop
  # What providers of users and indexes share: each resource is a layout of one entry, so whether
  # it is as it should be, and what makes it so, is decided by `cheeseshop layout apply` alone.
  module Entry
    # Class methods of such a provider.
    module Prefetching
      # Tells the resources what there is. On a machine where nothing can be asked yet, a dry run
      # takes everything for absent: that is what the first real run would find.
      def prefetch(resources)
        found = instances(noop: resources.values.all?(&:noop?)).to_h { |provider| [provider.name, provider] }
        resources.each { |name, resource| resource.provider = found[name] if found.key?(name) }
      rescue Unreachable => error
        raise unless resources.values.all?(&:noop?)

        Puppet.warning("#{resource_type.name}: taken for absent: #{error.message}")
      end
    end

    def self.included(provider)
      provider.extend(Prefetching)
    end

    # The text of a layout with a single entry.
    def self.layout(section, name, settings)
      lines = Toml.pairs(settings.transform_keys { |key| Resources.key(key) })
      ['version = 1', "[#{section}.#{Toml.value(name)}]", *lines, ''].join("\n")
    end

    def client
      Client.current.open(noop: resource ? resource.noop? : false)
    end

    def exists?
      @property_hash[:ensure] == :present
    end

    def create
      @wanted = :present
    end

    def destroy
      client.remove(kind, resource[:name])
      @property_hash = { ensure: :absent }
      @wanted = :absent
    end

    # Setters note that something is to be done; one call does all of it.
    def change(_value = nil)
      @wanted = :present
    end

    def flush
      return unless @wanted == :present

      steps = client.apply(Entry.layout(section, resource[:name], wanted_settings), *options)
      @property_hash = @property_hash.merge(wanted_settings.reject { |key, _| key == :password }, ensure: :present)
      @planned = nil
      steps
    end

    # Whether a property is as it should be, asked of the server's own rules (order and spelling of
    # lists, URLs of which the server hides a part, passwords).
    def in_sync?(key, is, should)
      planned = planned_keys
      return is == should if planned.nil?

      !planned.include?(Resources.key(key))
    end

    private

    def planned_keys
      return @planned if defined?(@planned) && @planned

      steps = client.plan(Entry.layout(section, resource[:name], wanted_settings), *options)
      @planned = steps.flat_map { |step| step['changes'].keys }
    rescue Error => error
      # A base that is not there yet, say: in a dry run that is how it is, in a real one the
      # attempt will tell.
      Puppet.debug("#{resource}: compared by value: #{error.message}")
      nil
    end

    def options
      []
    end
  end
end
