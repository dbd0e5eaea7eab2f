# frozen_string_literal: true

module PuppetX; end

module PuppetX::Cheeseshop
  # For properties whose values may hold secrets. Beside its message an event has the values themselves, which end up
  # in reports: it gets them as messages show them.
  module Hidden
    SHOWN = { previous_value: :is_to_s, historical_value: :is_to_s, desired_value: :should_to_s }.freeze

    def event(options = {})
      return super if sensitive

      super(options.to_h { |key, value| [key, (value.nil? || !SHOWN.key?(key)) ? value : send(SHOWN[key], value)] })
    end
  end
end
