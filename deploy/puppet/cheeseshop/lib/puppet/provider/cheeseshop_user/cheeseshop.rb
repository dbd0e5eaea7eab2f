# frozen_string_literal: true

require_relative '../../../puppet_x/cheeseshop/entry'

Puppet::Type.type(:cheeseshop_user).provide(:cheeseshop) do
  desc 'Users through the program `cheeseshop`.'

  include PuppetX::Cheeseshop::Entry

  mk_resource_methods

  PROFILE = [:email, :display_title, :description].freeze

  def self.instances(noop: false)
    PuppetX::Cheeseshop::Client.current.open(noop: noop).users.map do |name, user|
      new(
        name: name, ensure: :present, **PROFILE.to_h { |key| [key, user[PuppetX::Cheeseshop::Resources.key(key)] || :absent] }
      )
    end
  end

  [*PROFILE, :password].each { |key| define_method(:"#{key}=") { |value| change(value) } }

  private

  def section
    'users'
  end

  def kind
    'user'
  end

  def wanted_settings
    [*PROFILE, :password].to_h { |key| [key, resource[key]] }.compact
  end
end
