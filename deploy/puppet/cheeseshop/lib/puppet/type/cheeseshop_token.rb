# frozen_string_literal: true

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
    desc 'The file that holds the token.'
    validate do |value|
      raise ArgumentError, "#{value} is no absolute path" unless Puppet::Util.absolute_path?(value)
    end
  end

  newproperty(:user) do
    desc 'The user that the token stands for.'
  end

  [
    [:allowed, 'Only these permissions: `pkg_read`, `upload`, `toxresult_upload`, `del_entry` …'],
    [:indexes, 'Only these indexes.'],
    [:projects, 'Only these projects.'],
  ].each do |key, text|
    newproperty(key, array_matching: :all) do
      desc text

      def insync?(current)
        Array(current).map(&:to_s).sort == should.map(&:to_s).sort
      end

      def is_to_s(value) # rubocop:disable Naming/PredicateName
        value.is_a?(Array) ? "[#{value.join(', ')}]" : super
      end

      def should_to_s(value)
        "[#{Array(value).join(', ')}]"
      end
    end
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
  autorequire(:cheeseshop_layout) { catalog.resources.select { |other| other.type.to_s.casecmp?('cheeseshop_layout') }.map(&:title) }
  autorequire(:service) { ['cheeseshop'] }
  autorequire(:exec) { ['cheeseshop password of root'] }
  autorequire(:file) { ['/etc/cheeseshop/puppet.json', self[:path], self[:path] && File.dirname(self[:path])].compact }
end
