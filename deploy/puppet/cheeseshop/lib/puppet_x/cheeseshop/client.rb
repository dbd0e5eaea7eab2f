# frozen_string_literal: true

require 'fileutils'
require 'json'
require 'open3'
require 'tmpdir'
require_relative 'settings'

module PuppetX::Cheeseshop
  # A login at one server, through the program `cheeseshop`.
  #
  # Secrets go to the program on its standard input only. The login is kept in a directory that
  # only root may enter and that ends with this process.
  class Client
    class << self
      # The client of this run.
      def current
        @current ||= new(Settings.new)
      end

      # Ends the login; the next question reads the settings anew.
      def forget
        @current&.close
        @current = nil
      end
    end

    def initialize(settings)
      @settings = settings
    end

    attr_reader :settings

    # Logs in, unless that has been done. In a dry run a refused login is only told: whoever reads
    # sees what strangers see, and the run that would mend the login is a later one.
    def open(noop: false)
      return self if @directory

      program = Puppet::Util.which(settings.program)
      raise Unreachable, "the program #{settings.program} is not installed (yet)" unless program

      @program = program
      @directory = Dir.mktmpdir('cheeseshop-puppet')
      at_exit { close }
      begin
        choose_server
        reach(noop ? 0 : settings.wait)
        log_in(noop)
      rescue StandardError
        close
        raise
      end
      self
    end

    def close
      FileUtils.remove_entry_secure(@directory) if @directory && File.directory?(@directory)
      @directory = nil
      @users = nil
    end

    # All users by name, each with its `indexes`.
    def users
      @users ||= JSON.parse(run('getjson', '/'))['result']
    end

    # An index's settings, or nothing where it is not.
    def index(name)
      user, index = name.split('/', 2)
      users.dig(user, 'indexes', index)
    end

    # What would be done to make a layout true: a list of steps.
    def plan(layout, *options)
      JSON.parse(run_layout(layout, '--dry-run', *options))['steps']
    end

    # Makes a layout true, and gives what was done.
    def apply(layout, *options)
      @users = nil
      JSON.parse(run_layout(layout, '-y', *options))['steps']
    end

    # Removes a user or an index; one that is not there any more is no trouble.
    def remove(kind, name)
      @users = nil
      there = (kind == 'user') ? users.key?(name) : index(name)
      return unless there

      @users = nil
      run(kind, '-y', '--delete', name)
    end

    # The tokens of a user by id.
    def tokens(user)
      return {} unless users.key?(user)

      JSON.parse(run('token-list', '--json', '--user', user))['tokens']
    end

    # Who a token is of, and its id.
    def inspect_token(token)
      lines = run('token-inspect', '--file', '-', stdin: "#{token}\n").lines
      pairs = lines.map { |line| line.split(':', 2).map(&:strip) }
      found = ->(key) { pairs.find { |name, _| name == key }&.last }
      { 'user' => found.call('user'), 'id' => found.call('id') }
    rescue Error
      # A file that holds something else.
      {}
    end

    # Makes a token and gives it.
    def create_token(user, options)
      run('token-create', '--user', user, *options).strip
    end

    # Hands a release on to another index, and gives what was done, line by line.
    def push(release, from, to, *options)
      run('push', '-y', '--index', from, *options, '--', release, to).lines.map(&:strip).reject(&:empty?)
    end

    def delete_token(user, id)
      run('token-delete', '--user', user, '--', id)
    end

    def inspect
      "#<#{self.class} #{settings.url}>"
    end

    private

    # As `cheeseshop use` writes it (and devpi-client). That command would go on to the address that the server
    # gives to users, where nginx may not have been started yet.
    def choose_server
      File.write(File.join(@directory, 'current.json'), JSON.generate('login' => "#{settings.url.chomp('/')}/+login"), perm: 0o600)
    end

    def reach(seconds)
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
      begin
        run('getjson', '/+api')
      rescue Error => error
        raise Unreachable, error.message if Process.clock_gettime(Process::CLOCK_MONOTONIC) >= deadline

        sleep 0.5
        retry
      end
    end

    def log_in(noop)
      if settings.token
        run('token-login', '--file', '-', stdin: "#{settings.token}\n")
      elsif settings.password
        run('login', settings.user || 'root', stdin: "#{settings.password}\n")
      end
    rescue Error => error
      raise unless noop

      Puppet.warning("cheeseshop: going on without a login: #{error.message}")
    end

    def run_layout(layout, *options)
      file, text = layout.is_a?(Hash) ? [layout.fetch(:file), ''] : ['-', layout]
      run('layout', 'apply', file, '--json', *options, stdin: text)
    end

    # Standard output of the program. What it says of a failure is told, and never holds a secret.
    def run(*arguments, stdin: '')
      Puppet.debug("cheeseshop: running #{[@program, *arguments].join(' ')}")
      output, errors, status = Open3.capture3(
        environment, @program, *arguments,
        stdin_data: stdin, unsetenv_others: true, chdir: @directory
      )
      return output if status.success?

      raise Error, "cheeseshop #{arguments.first(2).join(' ')}: #{trouble(output, errors)}"
    end

    def trouble(output, errors)
      steps = begin
        JSON.parse(output)['steps']
      rescue JSON::ParserError, TypeError
        # Other commands than that of layouts tell a failure in words.
        errors = [output, errors].join("\n")
        nil
      end
      told = Array(steps).map { |step| "#{step['kind']} #{step['name']}: #{step['error']}" if step['error'] }.compact
      told << errors.strip unless errors.strip.empty?
      told.join("\n")
    end

    def environment
      variables = {
        'PATH' => ENV.fetch('PATH', '/usr/sbin:/usr/bin:/sbin:/bin'),
        'HOME' => @directory,
        'DEVPI_CLIENTDIR' => @directory,
        'LANG' => 'C.UTF-8',
      }
      variables['SSL_CERT_FILE'] = settings.ca_bundle if settings.ca_bundle
      variables
    end
  end
end
