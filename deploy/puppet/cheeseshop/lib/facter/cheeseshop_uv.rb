# frozen_string_literal: true

# The version of uv that whoever is root here would run: its files of settings differ.
Facter.add(:cheeseshop_uv) do
  confine { Facter::Core::Execution.which('uv') }
  setcode do
    Facter::Core::Execution.execute('uv --version', on_fail: '', timeout: 10)[%r{\d+\.\d+\.\d+}]
  end
end
