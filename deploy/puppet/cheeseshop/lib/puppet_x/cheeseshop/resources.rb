# frozen_string_literal: true

module PuppetX; end

module PuppetX::Cheeseshop
  # What the types have in common.
  module Resources
    # The name of a user, and of an index.
    USER = %r{[A-Za-z0-9][A-Za-z0-9._-]*}.freeze
    INDEX = %r{#{USER}/#{USER}}.freeze

    # A list, in messages and reports.
    module List
      def is_to_s(value) # rubocop:disable Naming/PredicateName
        value.is_a?(Array) ? should_to_s(value) : super
      end

      def should_to_s(value)
        "[#{Array(value).join(', ')}]"
      end
    end

    # A list whose order means nothing.
    module Set
      include List

      def insync?(current)
        Array(current).map(&:to_s).sort == should.map(&:to_s).sort
      end
    end

    # A property that is right when the server's own rules say so.
    module Compared
      def insync?(current)
        provider.in_sync?(name, current, should)
      end
    end

    # The path of a file on this machine.
    module AbsolutePath
      def self.included(parameter)
        parameter.validate do |value|
          raise ArgumentError, "#{value} is no absolute path" unless Puppet::Util.absolute_path?(value)
        end
      end
    end

    # What Puppet keeps words for that mean something else here.
    NAMES = { display_title: 'title', index_type: 'type' }.freeze

    class << self
      # The name that a property has at the server.
      def key(property)
        NAMES.fetch(property.to_sym) { property.to_s }
      end

      # Has resources of a type come after all that is needed to ask the server, and after those files of their own
      # that the block names.
      def after_the_server(type, &files)
        type.autorequire(:service) { ['cheeseshop'] }
        type.autorequire(:exec) { ['cheeseshop password of root'] }
        type.autorequire(:file) { ['/etc/cheeseshop/puppet.json', *(files && instance_eval(&files))].compact }
      end

      # The titles of all resources of a type beside one.
      def beside(resource, type)
        resource.catalog.resources.select { |other| other.type.to_s.casecmp?(type.to_s) }.map(&:title)
      end
    end
  end
end
