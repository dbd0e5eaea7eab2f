# frozen_string_literal: true

require 'puppet/parameter/boolean'
require_relative '../../puppet_x/cheeseshop/hidden'
require_relative '../../puppet_x/cheeseshop/resources'

Puppet::Type.newtype(:cheeseshop_index) do
  @doc = <<~DOC
    An index of a cheeseshop (or devpi-server).

    ```puppet
    cheeseshop_index { 'team/dev':
      ensure     => present,
      bases      => ['team/staging'],
      acl_upload => ['team'],
      volatile   => true,
    }
    ```

    What is not named stays as it is. An index comes after its user, after the users that its lists name,
    after layouts, and after its bases. An index that is not volatile cannot be removed; the server refuses that.
  DOC

  ensurable do
    desc 'Whether there is such an index.'
    defaultvalues
    defaultto :present
  end

  newparam(:name, namevar: true) do
    desc 'The name, `USER/INDEX`.'
    validate do |value|
      unless value.to_s.match?(%r{\A#{PuppetX::Cheeseshop::Resources::INDEX}\z})
        raise ArgumentError, "#{value.inspect} is no name of an index: USER/INDEX"
      end
    end
  end

  newparam(:allow_empty_mirror, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc 'Make a mirror that has no `mirror_url`.'
    defaultto false
  end

  newparam(:send_secrets, boolean: true, parent: Puppet::Parameter::Boolean) do
    desc <<~DOC
      Send `mirror_url` also where all that the server shows of it is right. It hides a password in it, so one
      that has changed is not noticed. With this the resource changes something at every run.
    DOC
    defaultto false
  end

  newproperty(:index_type) do
    desc 'The type: `stage`, `mirror`, `constrained`. An index keeps the one that it was made with.'
    newvalues(:stage, :mirror, :constrained)

    def insync?(current)
      current.to_s == should.to_s
    end
  end

  newproperty(:volatile) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'Whether files may be replaced and removed.'
    newvalues(:true, :false)
  end

  newproperty(:bases, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'The indexes whose files it takes in, first the one that is looked at first.'
  end

  newproperty(:acl_upload, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'Who may upload. `[]`: nobody.'
  end

  newproperty(:acl_read, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'Who may read; default: everybody.'
  end

  newproperty(:acl_toxresult_upload, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'Who may upload test results.'
  end

  newproperty(:mirror_whitelist, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'Projects of which mirrors among the bases may offer versions beside ours. `*`: all.'
  end

  newproperty(:constraints, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Compared
    include PuppetX::Cheeseshop::Resources::List

    desc 'Of a `constrained` index: the lines of the constraints.'
  end

  newproperty(:mirror_whitelist_inheritance) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'Whose whitelists count: `intersection` or `union`.'
    newvalues(:intersection, :union)
  end

  newproperty(:mirror_url) do
    include PuppetX::Cheeseshop::Hidden
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'The upstream of a mirror, `Sensitive` if it holds a password.'

    def hidden(value)
      value.to_s.sub(%r{//[^/@]*@}, '//***@')
    end
    alias_method :is_to_s, :hidden
    alias_method :should_to_s, :hidden
  end

  newproperty(:display_title) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'One line about the index (`title` of a layout). An empty text takes it away.'
  end

  newproperty(:description) do
    include PuppetX::Cheeseshop::Resources::Compared

    desc 'More about the index. An empty text takes it away.'
  end

  newproperty(:settings) do
    include PuppetX::Cheeseshop::Hidden

    desc 'Other keys that an index has (`mirror_cache_expiry`, `uploadtrigger_jenkins` …), as a hash.'
    validate do |value|
      raise ArgumentError, 'settings is a hash' unless value.is_a?(Hash)

      own = (resource.class.validproperties - [:ensure, :settings]).map { |key| PuppetX::Cheeseshop::Resources.key(key) }
      twice = value.keys.map(&:to_s) & own
      raise ArgumentError, "#{twice.join(', ')} has a property of its own" unless twice.empty?
    end

    def insync?(current)
      should.keys.all? { |key| provider.in_sync?(key, current.is_a?(Hash) ? current[key] : nil, should[key]) }
    end

    # Some hold passwords (`uploadtrigger_jenkins`): the names are enough.
    def is_to_s(value) # rubocop:disable Naming/PredicateName
      value.is_a?(Hash) ? value.keys.join(', ') : super
    end

    def should_to_s(value)
      value.keys.join(', ')
    end
  end

  autorequire(:cheeseshop_user) do
    named = [:acl_upload, :acl_read, :acl_toxresult_upload].flat_map { |key| Array(self[key]) }
    [self[:name].split('/').first, *named].uniq
  end
  autorequire(:cheeseshop_index) { Array(self[:bases]) - [self[:name]] }
  autorequire(:cheeseshop_layout) { PuppetX::Cheeseshop::Resources.beside(self, :cheeseshop_layout) }
  PuppetX::Cheeseshop::Resources.after_the_server(self)
end
