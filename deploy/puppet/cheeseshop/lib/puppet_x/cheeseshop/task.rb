# frozen_string_literal: true

require 'etc'
require 'json'
require 'puppet'
require_relative 'client'
require_relative 'resources'

module PuppetX::Cheeseshop
  # What the tasks have in common: parameters that come as JSON on standard input, where no list of processes shows them,
  # and an answer in JSON.
  class Task
    # A parameter is not what the metadata of the task say.
    class Wrong < StandardError; end

    # Answers with what the block gives, or with why there is nothing, and then ends with exit code 1.
    def self.run(input)
      puts JSON.generate(yield(new(input)))
    rescue Wrong, Error, SystemCallError => error
      kind = error.is_a?(Wrong) ? 'cheeseshop/wrong-parameter' : 'cheeseshop/failed'
      puts JSON.generate('_error' => { 'msg' => error.message, 'kind' => kind, 'details' => {} })
      exit 1
    end

    # What the program prints, run as the service is.
    def self.program(user, *words)
      words = ['cheeseshop', *words]
      words = ['runuser', '-u', user, '--', *words] unless Process.euid == Etc.getpwnam(user).uid
      output, errors, status = Open3.capture3(*words, stdin_data: '', chdir: '/')
      raise Error, errors.strip unless status.success?

      JSON.parse(output)
    rescue ArgumentError
      raise Wrong, "user is wrong: there is no #{user} here"
    end

    def initialize(input)
      @input = input
    end

    # A text, which has to match as a whole: it ends up among the arguments of a program.
    def text(name, pattern, default = nil)
      value = @input.fetch(name, default)
      return value if value.nil?

      is_right = value.is_a?(String) && value.match?(%r{\A(?:#{pattern})\z})
      # Not repeated: it may be a secret in the wrong place.
      raise Wrong, "#{name} is wrong: #{pattern.source} is wanted" unless is_right

      value
    end

    def required(name, pattern)
      text(name, pattern) || raise(Wrong, "#{name} is missing")
    end

    def number(name)
      value = @input[name]
      raise Wrong, "#{name} is wrong: a number of at least 1 is wanted" unless value.nil? || (value.is_a?(Integer) && value >= 1)

      value
    end

    def flag(name)
      value = @input.fetch(name, false)
      raise Wrong, "#{name} is wrong: true or false is wanted" unless [true, false, nil].include?(value)

      value
    end

    # A login at the server of the parameters, else at that of `puppet.json`.
    def client
      given = {
        'CHEESESHOP_URL' => text('url', %r{https?://[^/\s@]+(/[^\s]*)?}),
        'CHEESESHOP_USER' => text('user', Resources::USER),
        'CHEESESHOP_PASSWORD' => text('password', %r{[^\r\n]+}),
        'CHEESESHOP_TOKEN' => text('token', %r{\S+}),
        'CHEESESHOP_CA_BUNDLE' => text('ca_bundle', %r{/[^\r\n]+}),
      }.compact
      has_login = given.key?('CHEESESHOP_PASSWORD') || given.key?('CHEESESHOP_TOKEN')
      # The password in puppet.json is for the server there and for no other one.
      raise Wrong, 'url needs password or token: those of another server are not sent there' if given.key?('CHEESESHOP_URL') && !has_login

      @client ||= Client.new(Settings.new(ENV.to_h.merge(given))).tap(&:open)
    end
  end
end
