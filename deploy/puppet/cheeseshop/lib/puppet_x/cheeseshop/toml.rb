# frozen_string_literal: true

require 'json'

module PuppetX; end

module PuppetX::Cheeseshop
  # TOML, as settings and layouts are written.
  module Toml
    class << self
      # A value. Strings of JSON are strings of TOML, but for one letter.
      def value(value)
        case value
        when Array then "[#{value.map { |item| self.value(item) }.join(', ')}]"
        when Hash then "{ #{value.map { |key, item| "#{self.value(key.to_s)} = #{self.value(item)}" }.join(', ')} }"
        when :true, :false, true, false, Numeric then value.to_s
        else JSON.generate(value.to_s).gsub("\u007f", '\\u007f')
        end
      end

      # Lines `key = value`.
      def pairs(values)
        values.map { |key, value| "#{bare?(key) ? key : self.value(key.to_s)} = #{self.value(value)}" }
      end

      # A file of sections, the names of which are keys with dots.
      def sections(settings)
        settings.sort.map { |section, values| ['', "[#{section}]", *pairs(values.sort)].join("\n") }.join("\n")
      end

      private

      def bare?(key)
        key.to_s.match?(%r{\A[A-Za-z0-9_-]+\z})
      end
    end
  end
end
