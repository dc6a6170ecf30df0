// Command uptime asks a list of addresses every few seconds whether they answer, keeps what it heard and shows it.
package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/viper"
)

func main() {
	command := &cobra.Command{
		Use:          "uptime",
		Short:        "Asks addresses whether they answer, and shows what they said",
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := readConfig(command)
			if err != nil {
				return err
			}
			return serve(config)
		},
	}
	command.Flags().String("config", "/etc/uptime/uptime.yaml", "what to ask, and how often")
	command.Flags().String("listen", ":8080", "where to listen")
	if command.Execute() != nil {
		os.Exit(1)
	}
}

// Config is what stands in the file; UPTIME_… variables win over it.
type Config struct {
	Listen  string
	Store   string
	Every   time.Duration
	Targets []Target
}

// Target is one address to be asked.
type Target struct {
	Name string
	URL  string
}

func readConfig(command *cobra.Command) (config Config, err error) {
	settings := viper.New()
	settings.SetEnvPrefix("uptime")
	settings.AutomaticEnv()
	settings.SetDefault("store", "uptime.db")
	settings.SetDefault("every", "10s")
	if err = settings.BindPFlag("listen", command.Flags().Lookup("listen")); err != nil {
		return
	}
	file, _ := command.Flags().GetString("config")
	settings.SetConfigFile(file)
	if err = settings.ReadInConfig(); err != nil {
		return
	}
	err = settings.Unmarshal(&config)
	return
}

func serve(config Config) error {
	log := zerolog.New(os.Stderr).With().Timestamp().Logger()
	store, err := openStore(config.Store)
	if err != nil {
		return err
	}
	defer store.Close()
	stopped, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	watcher := newWatcher(config, store, log)
	go watcher.run(stopped)
	server := &http.Server{Addr: config.Listen, Handler: routes(watcher), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-stopped.Done()
		last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(last)
	}()
	log.Info().Str("listen", config.Listen).Int("targets", len(config.Targets)).Msg("listening")
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
