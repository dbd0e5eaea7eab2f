# frozen_string_literal: true

require 'puppet/parameter/boolean'
require_relative '../../puppet_x/cheeseshop/resources'

Puppet::Type.newtype(:cheeseshop_layout) do
  @doc = <<~DOC
    Users and indexes as a layout says, all at once: `cheeseshop layout apply`.

    ```puppet
    cheeseshop_layout { 'team':
      content => file('cheeseshop/team.toml'),
    }
    ```

    Users that are resources of their own come before it, indexes after it.
  DOC

  newparam(:name, namevar: true) do
    desc 'Any name.'
  end

  newparam(:content) do
    desc 'The layout (TOML). It may be `Sensitive`.'
  end

  newparam(:source) do
    include PuppetX::Cheeseshop::Resources::AbsolutePath

    desc <<~DOC
      The file on this machine that holds the layout; files that it names are looked for beside it. Prefer
      `content`: a dry run cannot know what a file is going to hold.
    DOC
  end

  newparam(:generated_passwords) do
    include PuppetX::Cheeseshop::Resources::AbsolutePath

    desc <<~DOC
      A directory for the passwords that are made up for new users, one file a user, readable by root only. Without
      it a layout that makes a user without a password is refused: the password would be lost.
    DOC
  end

  newparam(:prune, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc 'Remove users and indexes that the layout does not name, with all that they hold. Refused where one is a resource.'
    defaultto false
  end

  newparam(:send_secrets, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc 'Send URLs with passwords at every run: the server does not show them, so a change goes unnoticed.'
    defaultto false
  end

  newparam(:allow_empty_mirrors, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc 'Make mirrors that have no `mirror_url`.'
    defaultto false
  end

  newproperty(:ensure) do
    desc 'Whether the server is as the layout says.'
    newvalue(:applied) { provider.apply }
    defaultto :applied

    def retrieve
      provider.plan.empty? ? :applied : :different
    end

    def is_to_s(value) # rubocop:disable Naming/PredicateName
      (value == :different) ? "different (#{provider.told})" : super
    end

    def change_to_s(_current, _new)
      "applied: #{provider.told}"
    end
  end

  validate do
    raise ArgumentError, 'a layout has either content or source' if self[:content].nil? == self[:source].nil?
  end

  autorequire(:cheeseshop_user) { PuppetX::Cheeseshop::Resources.beside(self, :cheeseshop_user) }
  PuppetX::Cheeseshop::Resources.after_the_server(self) { [self[:source], self[:generated_passwords]] }
end
