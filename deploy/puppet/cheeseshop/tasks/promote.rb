#!/usr/bin/env ruby
# frozen_string_literal: true

require 'json'
input = JSON.parse($stdin.read)
folder = input['_installdir'] ? File.join(input['_installdir'], 'cheeseshop') : File.expand_path('..', __dir__)
require File.join(folder, 'lib/puppet_x/cheeseshop/task')

PuppetX::Cheeseshop::Task.run(input) do |task|
  index = PuppetX::Cheeseshop::Resources::INDEX
  release = task.required('release', %r{[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*})
  from = task.required('from', index)
  to = task.required('to', index)
  documentation = task.text('documentation', %r{with|without|only}, 'with')
  options = { 'without' => ['--no-docs'], 'only' => ['--only-docs'] }.fetch(documentation, [])
  { 'release' => release, 'from' => from, 'to' => to, 'steps' => task.client.push(release, from, to, *options) }
end
