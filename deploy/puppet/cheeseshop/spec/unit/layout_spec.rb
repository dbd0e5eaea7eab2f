# frozen_string_literal: true

require_relative 'shop'

describe 'cheeseshop_layout' do
  include Shop

  let(:user) { |example| "l#{example.description.sum}" }
  let(:text) { "version = 1\n[users.#{user}]\npassword = \"topsecret\"\n[indexes.\"#{user}/dev\"]\nbases = [\"root/pypi\"]\n" }
  let(:layout) { [:cheeseshop_layout, 'team', { content: text }] }

  it 'makes what the layout says, once, and shows no password' do
    expect(apply(layout)).to eq(['team ensure'])
    expect(index("#{user}/dev")['bases']).to eq(['root/pypi'])
    expect(logged).to include("create user #{user}, index #{user}/dev")
    expect(apply(layout)).to eq([])
    expect(logged).not_to include('topsecret')
  end

  it 'says in a dry run what would be done' do
    expect(apply(layout, noop: true)).to eq(['team ensure'])
    expect(logged).to include("create user #{user}, index #{user}/dev")
    expect(users).not_to have_key(user)
  end

  it 'reads a file, and passwords beside it' do
    file('secret', "topsecret\n")
    path = file('layout.toml', text.sub('password = "topsecret"', 'password_file = "secret"'))
    expect(apply([:cheeseshop_layout, 'team', { source: path }])).to eq(['team ensure'])
    expect(users).to have_key(user)
    expect(apply(layout)).to eq([])
  end

  it 'does not lose a password that is made up' do
    without = text.sub('password = "topsecret"', '')
    apply([:cheeseshop_layout, 'team', { content: without }])
    expect(failed).to eq(['team'])
    expect(users).not_to have_key(user)

    kept = File.join(directory, 'passwords')
    expect(apply([:cheeseshop_layout, 'team', { content: without, generated_passwords: kept }])).to eq(['team ensure'])
    password = File.read(File.join(kept, user)).chomp
    expect(File.stat(File.join(kept, user)).mode & 0o777).to eq(0o600)
    expect(logged).not_to include(password)
    expect(apply([:cheeseshop_user, user, { password: password }])).to eq([])
  end

  it 'needs no password for users that are resources' do
    without = text.sub('password = "topsecret"', '')
    apply([:cheeseshop_layout, 'team', { content: without }], [:cheeseshop_user, user, { password: 'secret' }])
    expect(failed).to eq([])
    expect(users[user]['indexes']).to have_key('dev')
  end

  it 'tells what is wrong with a layout' do
    apply([:cheeseshop_layout, 'team', { content: "version = 1\n[users.a]\nnonsense = 1\n" }])
    expect(failed).to eq(['team'])
    expect(logged).to include('a user has no such key')
  end

  it 'removes nothing that it does not name, unless it is told' do
    apply(layout)
    apply([:cheeseshop_layout, 'team', { content: text.sub(%r{\[indexes.*}m, '') }])
    expect(index("#{user}/dev")).not_to be_nil
  end

  it 'refuses to remove what is a resource' do
    # What other examples have made is to stay.
    others = users.flat_map do |name, found|
      ["[users.#{name}]", *found['indexes'].map { |index, values| "[indexes.\"#{name}/#{index}\"]\ntype = \"#{values['type']}\"" }]
    end
    pruned = [:cheeseshop_layout, 'team', { content: text + others.join("\n"), prune: true }]
    apply(pruned, [:cheeseshop_user, "#{user}x", { password: 'secret' }])
    expect(failed).to eq(['team'])
    expect(logged).to include("Cheeseshop_user[#{user}x]: `prune` would remove it")
    expect(users).to have_key("#{user}x")
  end

  it 'takes everything for different where nothing can be asked yet' do
    settings('program' => '/nonexistent/cheeseshop')
    expect(apply(layout, noop: true)).to eq(['team ensure'])
    expect(apply(layout)).to eq([])
    expect(failed).to eq(['team'])
  end
end
