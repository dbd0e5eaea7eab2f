# frozen_string_literal: true

require 'time'
require_relative '../../../puppet_x/cheeseshop/client'

Puppet::Type.type(:cheeseshop_token).provide(:cheeseshop) do
  desc 'Tokens through the program `cheeseshop`.'

  mk_resource_methods

  LISTS = [:allowed, :indexes, :projects].freeze
  DAY = 86_400

  def self.client(noop)
    PuppetX::Cheeseshop::Client.current.open(noop: noop)
  end

  def self.instances
    asked = client(false)
    asked.users.keys.flat_map do |user|
      asked.tokens(user).map { |id, token| new(of(user, id, token).merge(name: "#{user}/#{id}")) }
    end
  end

  # Tokens with a file are found by what is in it, others by their name.
  def self.prefetch(resources)
    noop = resources.values.all?(&:noop?)
    asked = client(noop)
    resources.each do |name, resource|
      user, id = resource[:path] ? held(asked, resource[:path]) : name.split('/', 2)
      token = id && asked.tokens(user)[id]
      resource.provider = new(of(user, id, token).merge(name: name)) if token
    end
  rescue PuppetX::Cheeseshop::Unreachable => error
    raise unless noop

    Puppet.warning("cheeseshop_token: taken for absent: #{error.message}")
  end

  # The user and id of the token in a file.
  def self.held(asked, path)
    return [] unless File.file?(path)

    token = File.read(path, 4096).to_s.lines.first.to_s.strip
    token.empty? ? [] : asked.inspect_token(token).values_at('user', 'id')
  end

  def self.of(user, id, token)
    found = { ensure: :present, user: user, id: id, expiry: :never }
    LISTS.each { |key| found[key] = [] }
    Array(token['restrictions']).each do |restriction|
      key, value = restriction.split('=', 2)
      found[key.to_sym] = value.split(',') if LISTS.include?(key.to_sym)
      found[:expiry] = Time.at(Integer(value)).utc.iso8601.to_sym if key == 'expires' && value != 'never'
    end
    found
  end

  def exists?
    @property_hash[:ensure] == :present
  end

  def fresh?(expiry)
    expiry = expiry.to_s
    return true if expiry == 'never'

    Time.parse(expiry) > Time.now + (resource[:renew] * DAY)
  rescue ArgumentError
    false
  end

  def create
    @wanted = true
  end

  def destroy
    client.delete_token(@property_hash[:user], @property_hash[:id])
    FileUtils.rm_f(resource[:path]) if resource[:path]
    @property_hash = { ensure: :absent }
  end

  (LISTS + [:user, :expiry]).each { |key| define_method(:"#{key}=") { |_value| @wanted = true } }

  def flush
    return unless @wanted

    raise Puppet::Error, 'a token cannot be changed, and a new one needs a path' unless resource[:path]

    write(client.create_token(resource[:user], limits))
    # The old one last: whoever reads the file always finds a token that holds.
    client.delete_token(@property_hash[:user], @property_hash[:id]) if @property_hash[:id]
  end

  private

  def client
    self.class.client(resource.noop?)
  end

  def limits
    lists = LISTS.flat_map do |key|
      values = resource.parameter(key) ? Array(resource.parameter(key).should) : []
      values.empty? ? [] : ["--#{key}", values.join(',')]
    end
    lists + ['--expires', resource[:expires].to_s]
  end

  def write(token)
    path = resource[:path]
    old = File.stat(path) if File.exist?(path)
    fresh = File.join(File.dirname(path), ".#{File.basename(path)}.#{Process.pid}")
    FileUtils.rm_f(fresh)
    File.open(fresh, File::WRONLY | File::CREAT | File::EXCL, 0o600) do |file|
      if old
        file.chown(old.uid, old.gid)
        # What was there before may have been no secret.
        file.chmod(old.mode & 0o770)
      end
      file.puts(token)
      file.fsync
    end
    File.rename(fresh, path)
  ensure
    FileUtils.rm_f(fresh) if fresh
  end
end
