# frozen_string_literal: true

require_relative 'shop'

describe PuppetX::Cheeseshop::Settings do
  include Shop

  def read(text, mode = 0o600, environment = {})
    described_class.new(environment.merge('CHEESESHOP_PUPPET_SETTINGS' => file('settings', text, mode)))
  end

  it 'has an answer where nothing is said' do
    nothing = described_class.new('CHEESESHOP_PUPPET_SETTINGS' => '/nonexistent')
    expect([nothing.url, nothing.user, nothing.password]).to eq(['http://127.0.0.1:3141/', nil, nil])
  end

  it 'takes the environment first' do
    found = read('{"url": "http://a.test/", "user": "anna"}', 0o600, 'CHEESESHOP_URL' => 'http://b.test/', 'CHEESESHOP_PASSWORD' => 'geheim')
    expect([found.url, found.user, found.password]).to eq(['http://b.test/', 'anna', 'geheim'])
    expect(found.inspect).not_to include('geheim')
  end

  it 'refuses what others may read, and what it does not know, without repeating it' do
    expect { read('{}', 0o640) }.to raise_error(PuppetX::Cheeseshop::Error, %r{0600})
    expect { read('{"password": "geheim"}') }.to raise_error(PuppetX::Cheeseshop::Error) { |error| expect(error.message).not_to include('geheim') }
    expect { read('geheim') }.to raise_error(PuppetX::Cheeseshop::Error) { |error| expect(error.message).not_to include('geheim') }
  end
end
