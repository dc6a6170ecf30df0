package main

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

const askWithin = 5 * time.Second

// Answer is what one address said once.
type Answer struct {
	Name   string    `json:"name"`
	URL    string    `json:"url"`
	Asked  time.Time `json:"asked"`
	Status int       `json:"status"`
	Millis int64     `json:"millis"`
	Error  string    `json:"error,omitempty"`
}

// IsUp tells whether the answer was a good one.
func (answer Answer) IsUp() bool { return answer.Status >= 200 && answer.Status < 400 }

type watcher struct {
	config Config
	store  *store
	log    zerolog.Logger
	client *http.Client
}

func newWatcher(config Config, store *store, log zerolog.Logger) *watcher {
	return &watcher{config: config, store: store, log: log, client: &http.Client{Timeout: askWithin}}
}

func (w *watcher) run(stopped context.Context) {
	ticker := time.NewTicker(w.config.Every)
	defer ticker.Stop()
	for {
		for _, target := range w.config.Targets {
			w.ask(stopped, target)
		}
		select {
		case <-stopped.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *watcher) ask(stopped context.Context, target Target) {
	answer := Answer{Name: target.Name, URL: target.URL, Asked: time.Now().UTC()}
	request, err := http.NewRequestWithContext(stopped, http.MethodGet, target.URL, nil)
	if err == nil {
		var response *http.Response
		if response, err = w.client.Do(request); err == nil {
			answer.Status = response.StatusCode
			_ = response.Body.Close()
		}
	}
	if stopped.Err() != nil {
		return
	}
	answer.Millis = time.Since(answer.Asked).Milliseconds()
	if err != nil {
		answer.Error = err.Error()
	}
	if err := w.store.Add(answer); err != nil {
		w.log.Error().Err(err).Str("target", target.Name).Msg("cannot keep an answer")
	}
}
