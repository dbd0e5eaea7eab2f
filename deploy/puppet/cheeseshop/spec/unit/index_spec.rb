# frozen_string_literal: true

require_relative 'shop'

describe 'cheeseshop_index' do
  include Shop

  let(:user) { |example| "i#{example.description.sum}" }
  let(:owner) { [:cheeseshop_user, user, { password: 'secret' }] }

  def dev(values, name = "#{user}/dev")
    [:cheeseshop_index, name, values]
  end

  it 'makes users, bases and heirs in the order that the server wants' do
    made = apply(
      dev(bases: ["#{user}/stable", 'root/pypi'], acl_upload: [user], volatile: true),
      dev({ bases: [], volatile: false, acl_upload: [] }, "#{user}/stable"),
      owner
    )
    expect(failed).to eq([])
    expect(made).to eq(["#{user} ensure", "#{user}/stable ensure", "#{user}/dev ensure"])
    expect(index("#{user}/stable")).to include('acl_upload' => [], 'volatile' => false, 'bases' => [])
    expect(index("#{user}/dev")['bases']).to eq(["#{user}/stable", 'root/pypi'])
  end

  it 'converges, also where the server spells things in its own way' do
    values = { bases: ['root/pypi'], mirror_whitelist: ['Some_Project', 'other'], acl_upload: [], volatile: :false, settings: {} }
    apply(owner, dev(values))
    expect(index("#{user}/dev")['mirror_whitelist']).to include('some-project')
    expect(apply(owner, dev(values))).to eq([])
  end

  it 'changes only what is named' do
    apply(owner, dev(bases: ['root/pypi'], volatile: true, display_title: 'One'))
    expect(apply(dev(volatile: false, acl_read: [user]))).to contain_exactly("#{user}/dev volatile", "#{user}/dev acl_read")
    expect(index("#{user}/dev")).to include('bases' => ['root/pypi'], 'title' => 'One', 'volatile' => false, 'acl_read' => [user])
  end

  it 'sees the order of bases' do
    apply(owner, dev({ bases: [] }, "#{user}/a"), dev({ bases: [] }, "#{user}/b"), dev(bases: ["#{user}/a", "#{user}/b"]))
    expect(apply(dev(bases: ["#{user}/b", "#{user}/a"]))).to eq(["#{user}/dev bases"])
  end

  it 'keeps a mirror that it was given, and hides its password' do
    mirror = { index_type: :mirror, mirror_url: 'http://bob:topsecret@upstream.test/simple/', settings: { 'mirror_cache_expiry' => 120 } }
    apply(owner, dev(mirror))
    expect(index("#{user}/dev")).to include('mirror_cache_expiry' => 120)
    expect(apply(dev(mirror))).to eq([])
    # Its type need not be said again.
    changed = apply(dev(mirror_url: 'http://bob:topsecret@other.test/simple/', settings: { 'mirror_cache_expiry' => 60 }))
    expect(changed).to contain_exactly("#{user}/dev mirror_url", "#{user}/dev settings")
    expect(logged + reported).not_to include('topsecret')
    trigger = 'http://bob:topsecret@jenkins.test/job/{pkgname}/build'
    apply(owner, dev({ bases: [] }, "#{user}/built"))
    expect(apply(dev({ settings: { 'uploadtrigger_jenkins' => trigger } }, "#{user}/built"))).to eq(["#{user}/built settings"])
    expect(logged + reported).not_to include('topsecret')
  end

  it 'says in a dry run what would be done, also where bases are still to come' do
    apply(owner, dev(bases: []))
    planned = apply(dev({ bases: [] }, "#{user}/new"), dev(bases: ["#{user}/new"]), noop: true)
    expect(planned).to contain_exactly("#{user}/new ensure", "#{user}/dev bases")
    expect(index("#{user}/dev")['bases']).to eq([])
  end

  it 'says what the server says of a base that is not there' do
    apply(owner, dev(bases: ['nobody/nothing']))
    expect(failed).to eq(["#{user}/dev"])
    expect(logged).to include('there is no index nobody/nothing')
  end

  it 'does not turn an index into one of another type' do
    apply(owner, dev(bases: []))
    apply(dev(index_type: :mirror, mirror_url: 'http://upstream.test/simple/'))
    expect(failed).to eq(["#{user}/dev"])
  end

  it 'removes an index, also when its user has gone just before' do
    apply(owner, dev(volatile: true))
    expect(apply([:cheeseshop_user, user, { ensure: :absent }], dev(ensure: :absent))).to include("#{user} ensure")
    expect(failed).to eq([])
    expect(apply(dev(ensure: :absent))).to eq([])
  end

  it 'lists indexes' do
    apply(owner, dev(bases: ['root/pypi'], volatile: false))
    found = Puppet::Type.type(:cheeseshop_index).instances.find { |index| index[:name] == "#{user}/dev" }
    expect(found.to_resource.to_hash).to include(bases: ['root/pypi'], volatile: :false, index_type: :stage)
  end

  it 'refuses settings that have a property of their own' do
    expect { Puppet::Type.type(:cheeseshop_index).new(name: 'a/b', settings: { 'bases' => [] }) }.to raise_error(Puppet::Error, %r{property of its own})
  end
end
