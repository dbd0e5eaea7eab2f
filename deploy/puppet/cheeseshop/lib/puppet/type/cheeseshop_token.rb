# frozen_string_literal: true

require_relative '../../puppet_x/cheeseshop/resources'

Puppet::Type.newtype(:cheeseshop_token) do
  @doc = <<~DOC
    A token of a user, kept in a file: for a build server that installs, for a job that publishes.

    ```puppet
    cheeseshop_token { 'jenkins':
      user    => 'team',
      path    => '/etc/jenkins/cheeseshop.token',
      indexes => ['team/dev'],
      allowed => ['pkg_read', 'upload'],
      expires => '90 days',
      renew   => 14,
    }
    ```

    The token in the file is as it should be when the server knows it, with just these restrictions, and when it
    does not end within `renew` days. Else a new one is made, put into the file in one step, and the
    old one is ended. The file belongs to root and has mode 0600 unless a `file` resource of that path
    (without content) says otherwise; owner and mode outlive a renewal, but for what the mode gives to everybody.

    `puppet resource cheeseshop_token` lists the tokens of all users as `USER/ID`;
    `puppet resource cheeseshop_token anna/Ab12Cd34 ensure=absent` ends one.
  DOC

  ensurable do
    desc 'Whether there is such a token.'
    defaultvalues
    defaultto :present
  end

  newparam(:name, namevar: true) do
    desc 'Any name; of a token that has no file here `USER/ID`.'
  end

  newparam(:path) do
    include PuppetX::Cheeseshop::Resources::AbsolutePath

    desc 'The file that holds the token.'
  end

  newproperty(:user) do
    desc 'The user that the token stands for.'
  end

  newproperty(:allowed, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Set

    desc 'Only these permissions: `pkg_read`, `upload`, `toxresult_upload`, `del_entry` …'
  end

  newproperty(:indexes, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Set

    desc 'Only these indexes.'
  end

  newproperty(:projects, array_matching: :all) do
    include PuppetX::Cheeseshop::Resources::Set

    desc 'Only these projects.'
  end

  newparam(:expires) do
    desc 'How long a new token holds: `90 days`, `1 year`, `never`. Only root may make one for more than a year.'
    defaultto '1 year'
  end

  newparam(:renew) do
    desc 'How many days before its end a token is renewed. Has to be less than `expires`.'
    defaultto 30
    munge { |value| Integer(value) }
  end

  newproperty(:expiry) do
    desc 'When the token ends: a time, `never`, or in a `fresh` token far enough away. Only to be looked at.'
    newvalues(:fresh)
    defaultto { :fresh if @resource[:path] }

    def insync?(current)
      provider.fresh?(current)
    end

    def should_to_s(_value)
      "later than in #{resource[:renew]} days"
    end
  end

  validate do
    is_listed = provider && provider.get(:ensure) == :present
    if self[:ensure] != :absent && self[:path].nil? && !is_listed
      raise ArgumentError, 'a token needs a path: the file that is to hold it'
    end
    raise ArgumentError, 'a token needs a user' if self[:path] && self[:user].nil?
  end

  autorequire(:cheeseshop_user) { [self[:user]] }
  autorequire(:cheeseshop_index) { Array(self[:indexes]) }
  autorequire(:cheeseshop_layout) { PuppetX::Cheeseshop::Resources.beside(self, :cheeseshop_layout) }
  PuppetX::Cheeseshop::Resources.after_the_server(self) { [self[:path], self[:path] && File.dirname(self[:path])] }
end
