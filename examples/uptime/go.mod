module uptime

go 1.19

require (
	github.com/dustin/go-humanize v1.0.1
	github.com/go-chi/chi/v5 v5.0.7
	github.com/rs/zerolog v1.26.1
	github.com/spf13/cobra v1.6.1
	github.com/spf13/viper v1.10.1
	go.etcd.io/bbolt v1.3.6
)
