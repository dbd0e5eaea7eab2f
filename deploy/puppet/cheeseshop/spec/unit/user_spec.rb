# frozen_string_literal: true

require_relative 'shop'

describe 'cheeseshop_user' do
  include Shop

  it 'makes a user once' do
    anna = [:cheeseshop_user, 'anna', { email: 'anna@corp.example', display_title: "A \"quoted\" \u007f title", password: 'first-secret' }]
    expect(apply(anna)).to eq(['anna ensure'])
    expect(users['anna']).to include('email' => 'anna@corp.example', 'title' => "A \"quoted\" \u007f title")
    expect(apply(anna)).to eq([])
    expect(failed).to eq([])
  end

  it 'changes what differs, and takes away what is empty' do
    apply([:cheeseshop_user, 'ben', { email: 'ben@corp.example', password: 'secret' }])
    expect(apply([:cheeseshop_user, 'ben', { email: '', display_title: 'Ben' }])).to contain_exactly('ben email', 'ben display_title')
    expect(users['ben']).to include('title' => 'Ben').and satisfy { |user| !user.key?('email') }
    expect(apply([:cheeseshop_user, 'ben', { email: '', display_title: 'Ben' }])).to eq([])
  end

  it 'sets a password when a login with it fails, and never shows one' do
    apply([:cheeseshop_user, 'cara', { password: 'old-secret' }])
    expect(apply([:cheeseshop_user, 'cara', { password: 'old-secret' }])).to eq([])
    expect(apply([:cheeseshop_user, 'cara', { password: 'new-secret' }])).to eq(['cara password'])
    expect(logged).to include('changed password')
    expect(logged + reported).not_to match(%r{(old|new)-secret})
    expect(apply([:cheeseshop_user, 'cara', { password: 'new-secret' }])).to eq([])
  end

  it 'says in a dry run what would be done, and does nothing' do
    apply([:cheeseshop_user, 'dora', { password: 'secret' }])
    expect(apply([:cheeseshop_user, 'dora', { password: 'other', email: 'd@corp.example' }], [:cheeseshop_user, 'nobody', {}], noop: true))
      .to contain_exactly('dora password', 'dora email', 'nobody ensure')
    expect(users['dora']).not_to have_key('email')
    expect(users).not_to have_key('nobody')
    expect(apply([:cheeseshop_user, 'dora', { password: 'secret' }])).to eq([])
  end

  it 'removes a user, once' do
    apply([:cheeseshop_user, 'emil', { password: 'secret' }])
    expect(apply([:cheeseshop_user, 'emil', { ensure: :absent }])).to eq(['emil ensure'])
    expect(users).not_to have_key('emil')
    expect(apply([:cheeseshop_user, 'emil', { ensure: :absent }])).to eq([])
  end

  it 'lists users' do
    apply([:cheeseshop_user, 'frida', { email: 'frida@corp.example', password: 'secret' }])
    found = Puppet::Type.type(:cheeseshop_user).instances.find { |user| user[:name] == 'frida' }
    expect(found.to_resource[:email]).to eq('frida@corp.example')
    expect(found.to_resource[:password]).to eq(:absent)
  end

  it 'refuses names that would be something else' do
    ['', 'a/b', '-c', "a\nb"].each do |name|
      expect { Puppet::Type.type(:cheeseshop_user).new(name: name) }.to raise_error(Puppet::Error)
    end
  end

  context 'on a machine where nothing can be asked yet' do
    it 'takes users for absent in a dry run' do
      settings('program' => '/nonexistent/cheeseshop')
      expect(apply([:cheeseshop_user, 'gerd', {}], noop: true)).to eq(['gerd ensure'])
      settings('url' => 'http://127.0.0.1:9/')
      expect(apply([:cheeseshop_user, 'gerd', {}], noop: true)).to eq(['gerd ensure'])
    end

    it 'fails in a real run' do
      settings('url' => 'http://127.0.0.1:9/')
      apply([:cheeseshop_user, 'gerd', {}])
      expect(failed).to eq(['gerd'])
    end
  end

  it 'refuses a password in a file that others may read' do
    settings('password_file' => file('open', "secret\n", 0o644))
    apply([:cheeseshop_user, 'hans', {}])
    expect(failed).to eq(['hans'])
    expect(logged).to include('set its mode to 0600')
  end

  it 'does nothing with a wrong password' do
    settings('password_file' => file('wrong', "not-the-one\n"))
    apply([:cheeseshop_user, 'ida', {}])
    expect(failed).to eq(['ida'])
    expect(logged).not_to include('not-the-one')
  end

  it 'leaves no login behind' do
    apply([:cheeseshop_user, 'jan', {}])
    expect(Dir.glob(File.join(Dir.tmpdir, 'cheeseshop-puppet*'))).to eq([])
  end
end
