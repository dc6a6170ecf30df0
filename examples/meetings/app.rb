# frozen_string_literal: true

# Meetings: made as JSON, shown as a page, and subscribed to by calendars as iCalendar.
require 'active_support'
require 'active_support/core_ext/date_time'
require 'active_support/core_ext/numeric/time'
require 'active_support/core_ext/time'
require 'json'
require 'kramdown'
require 'sanitize'
require 'sinatra/base'
require 'slim'
require_relative 'store'

# The routes.
class Meetings < Sinatra::Base
  set :views, File.join(__dir__, 'views')
  set :store, Store.new(ENV.fetch('MEETINGS_FILE', 'meetings.sqlite'))
  set :show_exceptions, false
  set :host_authorization, permitted_hosts: []

  helpers do
    def json(value, status = 200)
      content_type :json
      halt status, JSON.generate(value)
    end

    # What people write is shown to others: only harmless tags are left of it.
    def page_of(agenda)
      Sanitize.fragment(Kramdown::Document.new(agenda).to_html, Sanitize::Config::BASIC)
    end
  end

  get('/health') { json(ok: true, meetings: settings.store.count) }

  get '/' do
    slim :meetings, locals: { meetings: settings.store.coming(Time.now.utc) }
  end

  get('/api/meetings') { json(meetings: settings.store.coming(Time.now.utc)) }

  post '/api/meetings' do
    asked = JSON.parse(request.body.read)
    title = asked['title'].to_s.strip
    json({ error: 'a title has 1 to 200 letters' }, 400) unless (1..200).cover?(title.length)
    begins = Time.iso8601(asked['begins'].to_s)
    minutes = Integer(asked.fetch('minutes', 60))
    agenda = asked['agenda'].to_s[0, 10_000]
    ends = begins + minutes.minutes
    json(settings.store.add(title: title, agenda: agenda, begins: begins.utc, ends: ends.utc), 201)
  rescue JSON::ParserError, ArgumentError, TypeError, NoMethodError => e
    json({ error: e.message }, 400)
  end

  get '/meetings.ics' do
    content_type 'text/calendar'
    settings.store.calendar
  end

  error { json({ error: 'something is wrong here' }, 500) }
end
