# frozen_string_literal: true

require_relative '../../../puppet_x/cheeseshop/entry'

Puppet::Type.type(:cheeseshop_index).provide(:cheeseshop) do
  desc 'Indexes through the program `cheeseshop`.'

  include PuppetX::Cheeseshop::Entry

  mk_resource_methods

  KEYS = [
    :bases, :acl_upload, :acl_read, :acl_toxresult_upload, :mirror_whitelist, :constraints, :volatile,
    :mirror_whitelist_inheritance, :mirror_url, :display_title, :description
  ].freeze

  def self.instances(noop: false)
    users = PuppetX::Cheeseshop::Client.current.open(noop: noop).users
    users.flat_map do |user, description|
      (description['indexes'] || {}).map { |index, settings| new(of("#{user}/#{index}", settings)) }
    end
  end

  def self.of(name, settings)
    settings = settings.reject { |key, _| ['projects', 'username'].include?(key) }
    known = KEYS.to_h { |key| [key, settings.delete(PuppetX::Cheeseshop::Resources.key(key))] }.compact
    known[:volatile] = known[:volatile].to_s.to_sym if known.key?(:volatile)
    known[:mirror_whitelist_inheritance] = known[:mirror_whitelist_inheritance].to_sym if known.key?(:mirror_whitelist_inheritance)
    type = settings.delete('type') || 'stage'
    # What is not known shows up as absent.
    known.merge(name: name, ensure: :present, index_type: type.to_sym).tap do |hash|
      hash[:settings] = settings unless settings.empty?
    end
  end

  (KEYS + [:settings]).each { |key| define_method(:"#{key}=") { |value| change(value) } }

  def index_type=(_value)
    raise Puppet::Error, "an index keeps its type: #{resource[:name]} is a #{@property_hash[:index_type]}"
  end

  private

  def section
    'indexes'
  end

  def kind
    'index'
  end

  def wanted_settings
    named = KEYS.map { |key| resource.parameter(key) }.compact
    # A property that is given as an empty list reads as one.
    own = named.to_h do |property|
      is_list = property.is_a?(PuppetX::Cheeseshop::Resources::List)
      [property.name, is_list ? Array(property.should) : property.should]
    end
    # Which keys there are depends on the type, so that of an index which is there is said as well.
    type = resource[:index_type] || @property_hash[:index_type]
    own[:type] = type if type
    own.merge(resource[:settings] || {})
  end

  def options
    options = []
    options << '--allow-empty-mirrors' if resource[:allow_empty_mirror]
    options << '--send-secrets' if resource[:send_secrets]
    options
  end
end
