package main

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"

	"github.com/dustin/go-humanize"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

const shownAnswers = 30

//go:embed page.html
var pageText string
var page = template.Must(template.New("page").Funcs(template.FuncMap{"ago": humanize.Time}).Parse(pageText))

func routes(w *watcher) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Get("/health", func(response http.ResponseWriter, _ *http.Request) {
		writeJSON(response, map[string]any{"ok": true, "targets": len(w.config.Targets)})
	})
	router.Get("/", func(response http.ResponseWriter, _ *http.Request) {
		last, err := w.last()
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = page.Execute(response, last)
	})
	router.Get("/api/targets", func(response http.ResponseWriter, _ *http.Request) {
		last, err := w.last()
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(response, map[string]any{"targets": last})
	})
	router.Get("/api/targets/{name}", func(response http.ResponseWriter, request *http.Request) {
		answers, err := w.store.Newest(chi.URLParam(request, "name"), shownAnswers)
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(response, map[string]any{"answers": answers})
	})
	return router
}

// The newest answer of each target that was asked.
func (w *watcher) last() ([]Answer, error) {
	last := []Answer{}
	for _, target := range w.config.Targets {
		answers, err := w.store.Newest(target.Name, 1)
		if err != nil {
			return nil, err
		}
		last = append(last, answers...)
	}
	return last, nil
}

func writeJSON(response http.ResponseWriter, value any) {
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(value)
}
