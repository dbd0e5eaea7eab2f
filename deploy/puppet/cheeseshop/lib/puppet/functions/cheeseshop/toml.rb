# frozen_string_literal: true

require_relative '../../../puppet_x/cheeseshop/toml'

# @summary Settings as a file has them.
Puppet::Functions.create_function(:'cheeseshop::toml') do
  # @param settings
  #   Values by key, by section.
  # @return [String]
  #   TOML, the same for the same settings.
  dispatch :toml do
    param 'Cheeseshop::Settings', :settings
    return_type 'String'
  end

  def toml(settings)
    PuppetX::Cheeseshop::Toml.sections(settings)
  end
end
