# frozen_string_literal: true

require 'icalendar'
require 'sequel'

# Meetings in one SQLite file; the only class that knows SQL.
class Store
  SHOWN = 100

  def initialize(file)
    @database = Sequel.sqlite(file)
    @database.create_table?(:meetings) do
      primary_key :id
      String :title, null: false
      String :agenda, null: false, text: true
      Time :begins, null: false
      Time :ends, null: false
    end
    @meetings = @database[:meetings]
  end

  def add(meeting)
    shown(@meetings[id: @meetings.insert(meeting)])
  end

  def coming(now)
    @meetings.where { ends > now }.order(:begins).limit(SHOWN).map { |one| shown(one) }
  end

  def count
    @meetings.count
  end

  def calendar
    calendar = Icalendar::Calendar.new
    @meetings.order(:id).each do |one|
      calendar.event do |event|
        event.uid = "#{one[:id]}@meetings"
        event.summary = one[:title]
        event.description = one[:agenda]
        event.dtstart = Icalendar::Values::DateTime.new(one[:begins].utc, tzid: 'UTC')
        event.dtend = Icalendar::Values::DateTime.new(one[:ends].utc, tzid: 'UTC')
      end
    end
    calendar.to_ical
  end

  private

  def shown(one)
    one.merge(begins: one[:begins].utc.iso8601, ends: one[:ends].utc.iso8601)
  end
end
