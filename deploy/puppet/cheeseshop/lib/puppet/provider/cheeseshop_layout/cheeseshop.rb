# frozen_string_literal: true

require_relative '../../../puppet_x/cheeseshop/client'

Puppet::Type.type(:cheeseshop_layout).provide(:cheeseshop) do
  desc 'Layouts through `cheeseshop layout apply`.'

  # Layouts have no names on a server.
  def self.instances
    []
  end

  # What would be done. On a machine where nothing can be asked yet a dry run can say no more than
  # that everything would.
  def plan
    @plan ||= client.plan(layout, *options)
  rescue PuppetX::Cheeseshop::Unreachable => error
    raise unless resource.noop?

    Puppet.warning("#{resource}: nothing is known of the server: #{error.message}")
    @plan = [{ 'action' => 'create', 'kind' => 'layout', 'name' => resource[:name] }]
  rescue PuppetX::Cheeseshop::Error
    # What the layout names may be made in the same run.
    raise unless resource.noop? && resource[:source] && !File.exist?(resource[:source])

    @plan = [{ 'action' => 'create', 'kind' => 'layout', 'name' => resource[:name] }]
  end

  def apply
    refuse_lost_passwords
    refuse_to_remove_resources
    done = client.apply(layout, *options)
    done.each { |step| keep(step['name'], step['generated_password']) if step['generated_password'] }
  end

  # The plan in a line. It names keys and no values, of which some are long and some are secret.
  def told
    plan.group_by { |step| step['action'] }.map { |action, steps|
      "#{action} #{steps.map { |step| subject(step) }.join(', ')}"
    }.join('; ')
  end

  private

  def subject(step)
    keys = (step['action'] == 'change') ? " (#{(step['changes'] || {}).keys.join(', ')})" : ''
    "#{step['kind']} #{step['name']}#{keys}"
  end

  def client
    PuppetX::Cheeseshop::Client.current.open(noop: resource.noop?)
  end

  def layout
    resource[:source] ? { file: resource[:source] } : resource[:content]
  end

  def options
    [:prune, :send_secrets, :allow_empty_mirrors].select { |key| resource[key] }.map { |key| "--#{key.to_s.tr('_', '-')}" }
  end

  def refuse_lost_passwords
    return if resource[:generated_passwords]

    names = plan.select { |step| step['generates_password'] }.map { |step| step['name'] }
    return if names.empty?

    raise Puppet::Error, "#{names.join(', ')}: new, and without a password. Say one in the layout or by a cheeseshop_user, " \
                         'or where to put one that is made up: generated_passwords'
  end

  # They would be made again, without what they held.
  def refuse_to_remove_resources
    removed = plan.select { |step| step['action'] == 'remove' }.map { |step| "Cheeseshop_#{step['kind']}[#{step['name']}]" }
    wanted = removed.select { |reference| (other = resource.catalog&.resource(reference)) && other[:ensure] != :absent }
    return if wanted.empty?

    raise Puppet::Error, "#{wanted.join(', ')}: `prune` would remove it, for the layout does not name it"
  end

  def keep(name, password)
    directory = resource[:generated_passwords]
    FileUtils.mkdir_p(directory, mode: 0o700)
    path = File.join(directory, name)
    FileUtils.rm_f(path)
    File.open(path, File::WRONLY | File::CREAT | File::EXCL, 0o600) { |file| file.puts(password) }
  end
end
