#!/usr/bin/env ruby
# frozen_string_literal: true

require 'json'
input = JSON.parse($stdin.read)
folder = input['_installdir'] ? File.join(input['_installdir'], 'cheeseshop') : File.expand_path('..', __dir__)
require File.join(folder, 'lib/puppet_x/cheeseshop/task')

PuppetX::Cheeseshop::Task.run(input) do |task|
  path = %r{/[^\r\n]+}
  values = { 'keep' => task.number('keep'), 'keep-days' => task.number('keep_days') }.compact
  flags = ['copy', 'include_remote_blobs'].select { |name| task.flag(name) }
  words = ['backup', 'create', '--json', '--config', task.text('config', path, '/etc/cheeseshop/cheeseshop.toml')]
  words += values.flat_map { |name, value| ["--#{name}", value.to_s] } + flags.map { |name| "--#{name.tr('_', '-')}" }
  words << task.text('directory', path) if task.text('directory', path)
  PuppetX::Cheeseshop::Task.program(task.text('user', PuppetX::Cheeseshop::Resources::USER, 'cheeseshop'), *words)
end
