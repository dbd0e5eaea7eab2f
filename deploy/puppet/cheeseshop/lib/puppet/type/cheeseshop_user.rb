# frozen_string_literal: true

require_relative '../../puppet_x/cheeseshop/hidden'
require_relative '../../puppet_x/cheeseshop/resources'

Puppet::Type.newtype(:cheeseshop_user) do
  @doc = <<~DOC
    A user of a cheeseshop (or devpi-server).

    ```puppet
    cheeseshop_user { 'anna':
      ensure   => present,
      email    => 'anna@corp.example',
      password => Sensitive(lookup('anna_password')),
    }
    ```

    Removing a user removes all of its indexes. Users come before the indexes that are theirs or that
    name them.
  DOC

  ensurable do
    desc 'Whether there is such a user.'
    defaultvalues
    defaultto :present
  end

  newparam(:name, namevar: true) do
    desc 'The name.'
    validate do |value|
      raise ArgumentError, "#{value.inspect} is no name of a user" unless value.to_s.match?(%r{\A#{PuppetX::Cheeseshop::Resources::USER}\z})
    end
  end

  newproperty(:password) do
    include PuppetX::Cheeseshop::Hidden
    include PuppetX::Cheeseshop::Resources::Compared

    desc <<~DOC
      The password, `Sensitive`. It is set when a login with it fails, and only then. A user that is made
      without one gets a password that nobody knows, which is right for users that have tokens only.
    DOC
    validate do |value|
      raise ArgumentError, 'a password is a text of one line, and not empty' unless value.is_a?(String) && value.match?(%r{\A[^\r\n]+\z})
    end

    def retrieve
      should ? :hidden : :absent
    end

    def is_to_s(_value) # rubocop:disable Naming/PredicateName
      '[another one]'
    end

    def should_to_s(_value)
      '[the wanted one]'
    end

    def change_to_s(_current, _new)
      'changed password'
    end
  end

  newproperty(:email) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'The address of the mailbox. An empty text takes it away.'
  end

  newproperty(:display_title) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'One line about the user (`title` of a layout). An empty text takes it away.'
  end

  newproperty(:description) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'More about the user. An empty text takes it away.'
  end

  PuppetX::Cheeseshop::Resources.after_the_server(self)
end
