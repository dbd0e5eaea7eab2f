# frozen_string_literal: true

require_relative 'shop'

describe 'cheeseshop_token' do
  include Shop

  let(:user) { |example| "t#{example.description.sum}" }
  let(:owner) { [:cheeseshop_user, user, { password: 'secret' }] }
  let(:path) { File.join(directory, 'token') }

  def token(values = {})
    [:cheeseshop_token, 'ci', { user: user, path: path, expires: '90 days', indexes: ["#{user}/dev"], allowed: ['upload', 'pkg_read'] }.merge(values)]
  end

  def tokens
    PuppetX::Cheeseshop::Client.forget
    PuppetX::Cheeseshop::Client.current.open.tokens(user)
  end

  it 'makes a token once, for root to read' do
    expect(apply(owner, token)).to eq(["#{user} ensure", 'ci ensure'])
    expect(File.stat(path).mode & 0o777).to eq(0o600)
    expect(tokens.values.first['restrictions']).to include('allowed=pkg_read,upload', "indexes=#{user}/dev")
    secret = File.read(path).chomp
    expect(apply(token)).to eq([])
    expect(File.read(path).chomp).to eq(secret)
    expect(logged).not_to include(secret)
  end

  it 'makes a new one, in the same mode, when other things are allowed, and ends the old one' do
    apply(owner, token)
    File.chmod(0o640, path)
    old = tokens.keys
    expect(apply(token(allowed: ['pkg_read']))).to eq(['ci allowed'])
    expect(tokens.size).to eq(1)
    expect(tokens.keys).not_to eq(old)
    expect(File.stat(path).mode & 0o777).to eq(0o640)
    expect(apply(token(allowed: ['pkg_read']))).to eq([])
  end

  it 'renews one that ends soon' do
    apply(owner, token(expires: '10 days', renew: 5))
    expect(apply(token(expires: '10 days', renew: 5))).to eq([])
    expect(apply(token(expires: '90 days', renew: 14))).to eq(['ci expiry'])
    expect(apply(token(expires: '90 days', renew: 14))).to eq([])
  end

  it 'makes a new one when the server knows it no longer, or the file holds something else' do
    apply(owner, token)
    id = tokens.keys.first
    PuppetX::Cheeseshop::Client.current.delete_token(user, id)
    expect(apply(token)).to eq(['ci ensure'])
    File.write(path, "nonsense\n")
    expect(apply(token)).to eq(['ci ensure'])
  end

  it 'ends the old one also when the new one is of somebody else' do
    apply(owner, token, [:cheeseshop_user, "#{user}x", { password: 'secret' }])
    expect(apply(token(user: "#{user}x"))).to eq(['ci user'])
    expect(tokens).to eq({})
    expect(apply(token(user: "#{user}x"))).to eq([])
  end

  it 'lets nobody read what comes into a file that everybody could read' do
    File.write(path, "nothing\n")
    File.chmod(0o644, path)
    apply(owner, token)
    expect(File.stat(path).mode & 0o777).to eq(0o640)
  end

  it 'says in a dry run what would be done' do
    apply(owner, token)
    expect(apply(token(allowed: ['pkg_read']), noop: true)).to eq(['ci allowed'])
    expect(apply(token(path: "#{path}2"), noop: true)).to eq(['ci ensure'])
    expect(tokens.size).to eq(1)
  end

  it 'ends a token and removes its file' do
    apply(owner, token)
    expect(apply(token(ensure: :absent))).to eq(['ci ensure'])
    expect(tokens).to eq({})
    expect(File).not_to exist(path)
    expect(apply(token(ensure: :absent))).to eq([])
  end

  it 'lists tokens, and ends one by its name' do
    apply(owner, token)
    name = "#{user}/#{tokens.keys.first}"
    found = Puppet::Type.type(:cheeseshop_token).instances.find { |token| token[:name] == name }
    expect(found.to_resource.to_hash).to include(user: user, allowed: ['pkg_read', 'upload'])
    expect(apply([:cheeseshop_token, name, { ensure: :absent }])).to eq(["#{name} ensure"])
    expect(tokens).to eq({})
  end

  it 'needs a file and a user' do
    type = Puppet::Type.type(:cheeseshop_token)
    expect { type.new(name: 'ci', user: 'anna') }.to raise_error(Puppet::Error, %r{path})
    expect { type.new(name: 'ci', path: '/x') }.to raise_error(Puppet::Error, %r{user})
  end
end
