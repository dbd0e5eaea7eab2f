# frozen_string_literal: true

require 'json'

module PuppetX; end

module PuppetX::Cheeseshop
  # Something is wrong that a person has to look at.
  class Error < Puppet::Error; end

  # There is no program or no server to ask, which on a new machine is how things are.
  class Unreachable < Error; end

  # Which server is meant, and as whom: the environment, else a file of root's.
  class Settings
    FILE = '/etc/cheeseshop/puppet.json'
    KEYS = ['url', 'user', 'password_file', 'token_file', 'ca_bundle', 'program', 'wait'].freeze

    attr_reader :url, :user, :password, :token, :ca_bundle, :program, :wait

    def initialize(environment = ENV)
      file = read(environment.fetch('CHEESESHOP_PUPPET_SETTINGS', FILE))
      @url = environment['CHEESESHOP_URL'] || file['url'] || 'http://127.0.0.1:3141/'
      @user = environment['CHEESESHOP_USER'] || file['user']
      @token = environment['CHEESESHOP_TOKEN'] || secret(file['token_file'])
      @password = environment['CHEESESHOP_PASSWORD'] || secret(file['password_file'])
      @ca_bundle = environment['CHEESESHOP_CA_BUNDLE'] || file['ca_bundle']
      @program = file['program'] || 'cheeseshop'
      @wait = Integer(file['wait'] || 30)
    end

    # Never shown: it holds secrets.
    def inspect
      "#<#{self.class} #{url}>"
    end

    private

    def read(path)
      return {} unless File.exist?(path)

      document = JSON.parse(private_text(path))
      raise Error, "#{path}: not an object" unless document.is_a?(Hash)

      unknown = document.keys - KEYS
      raise Error, "#{path}: there is no key #{unknown.join(', ')}" unless unknown.empty?

      document
    rescue JSON::ParserError
      # Without the parser's message, which quotes the text.
      raise Error, "#{path}: not JSON"
    end

    def secret(path)
      return nil if path.nil? || !File.exist?(path)

      line = private_text(path).lines.first.to_s.chomp
      raise Error, "#{path}: its first line is empty" if line.empty?

      line
    end

    def private_text(path)
      mode = File.stat(path).mode
      raise Error, "#{path}: others than its owner may touch it; set its mode to 0600" if mode.anybits?(0o077)

      File.read(path, encoding: 'UTF-8')
    end
  end
end
